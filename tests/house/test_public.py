"""`import migkit` is quick, and every public name is there when it is asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import migkit
from house.source_tree import PACKAGE, files, module_name

LATE = ["numpy", "pandas", "pyarrow", "matplotlib", "ipywidgets", "IPython"]
WITH_ALL = [p for p in files(".py", under=PACKAGE) if "\n__all__" in p.read_text()]


def run(code: str) -> str:
    """Return what a fresh interpreter prints for this code, run away from the checkout."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_no_large_library() -> None:
    code = f"import sys, migkit; print([n for n in {LATE!r} if n in sys.modules])"
    assert run(code) == "[]"


@pytest.mark.parametrize("name", migkit.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert run(f"import migkit; print(migkit.{name} is not None)") == "True"


def test_a_star_import_brings_exactly_the_public_names() -> None:
    code = "from migkit import *; import migkit; print(set(migkit.__all__) <= set(globals()))"
    assert run(code) == "True"


def test_public_names_are_listed_for_completion() -> None:
    assert set(migkit.__all__) <= set(dir(migkit))


@pytest.mark.parametrize("name", ["compare", "simulate", "validate"])
def test_a_function_stays_a_function_when_its_module_is_imported(name: str) -> None:
    code = f"import migkit, migkit.{name}; print(type(migkit.{name}).__name__)"
    assert run(code) == "function"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'migkit' has no attribute 'simulat'"):
        migkit.simulat  # noqa: B018


@pytest.mark.parametrize("path", WITH_ALL, ids=lambda path: module_name(path))
def test_all_names_only_what_the_module_defines(path: Path) -> None:
    name = module_name(path)
    code = (
        f"import importlib; m = importlib.import_module({name!r});"
        "print([n for n in m.__all__ if not hasattr(m, n)], len(m.__all__) - len(set(m.__all__)))"
    )
    assert run(code) == "[] 0"


def test_type_checkers_see_the_same_public_names() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    seen = {
        alias.asname or alias.name
        for block in tree.body
        if isinstance(block, ast.If)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(migkit.__all__) - {"__version__"}
