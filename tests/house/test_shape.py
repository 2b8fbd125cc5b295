"""Modules and functions stay small, and are named by a term of the field."""

from pathlib import Path

import pytest

from house.source_tree import PACKAGE, cython_functions, files, python_functions

LINES_OF_A_MODULE = 300
LINES_OF_A_FUNCTION = 40
SOURCES = files(".py", ".pyx", ".pxd", ".pyi", under=PACKAGE)
NO_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "tools"}


def functions(path: Path) -> dict[str, int]:
    return cython_functions(path) if path.suffix == ".pyx" else python_functions(path)


def test_no_module_is_long() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in SOURCES}
    assert {n: lines for n, lines in lengths.items() if lines > LINES_OF_A_MODULE} == {}


def test_no_function_is_long() -> None:
    long = {
        f"{path.relative_to(PACKAGE)}: {name}": lines
        for path in SOURCES
        if path.suffix in {".py", ".pyx"}
        for name, lines in functions(path).items()
        if lines > LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_no_module_is_a_drawer() -> None:
    assert [path for path in SOURCES if path.stem in NO_NAMES] == []


@pytest.mark.parametrize("suffix", [".py", ".pyx"])
def test_lengths_are_counted_as_a_reader_would(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"bitmap{suffix}"
    body = "".join(f"    a{n} = {n}\n" for n in range(5))
    source.write_text(f"def short(x):\n    return x\n\n\ndef longer(x):\n{body}\n\nY = 1\n")
    assert functions(source) == {
        {".py": "short (line 1)", ".pyx": "def short(x): (line 1)"}[suffix]: 2,
        {".py": "longer (line 5)", ".pyx": "def longer(x): (line 5)"}[suffix]: 6,
    }


def test_a_docstring_is_not_counted_as_code(tmp_path: Path) -> None:
    source = tmp_path / "bitmap.py"
    source.write_text('def f(x):\n    """One.\n\n    Two.\n    """\n    return x\n')
    assert functions(source) == {"f (line 1)": 2}


def test_a_compiled_method_ends_where_its_indent_ends(tmp_path: Path) -> None:
    source = tmp_path / "ram.pyx"
    source.write_text(
        "cdef class Ram:\n    cdef int count(\n        self,\n    ) noexcept nogil:\n"
        "        return 1\n\n    cdef int other(self) noexcept nogil:\n        return 2\n"
    )
    assert sorted(functions(source).values()) == [2, 4]
