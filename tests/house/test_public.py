"""`import migkit` is quick, and every public name is there when it is asked for."""

import ast
import subprocess
import sys

import pytest

import migkit
from house.source_tree import PACKAGE, files, module_name

LATE = ["numpy", "pandas", "pyarrow", "matplotlib", "ipywidgets", "IPython"]
WITH_ALL = [p for p in files(".py", under=PACKAGE) if "\n__all__" in p.read_text()]


def run(code: str, *arguments: str) -> str:
    """Return what a fresh interpreter prints for this code, run away from the checkout."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
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


# Each module is the first of the package that its process imports, so a circle shows; before the
# fork the libraries are loaded, and an editable package looked for, once for all of them.
EACH_ALONE = """
import importlib.util, os, sys
import matplotlib.pyplot, numpy, pandas, pyarrow
importlib.util.find_spec("migkit")
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            module = importlib.import_module(name)
            lost = [n for n in module.__all__ if not hasattr(module, n)]
            twice = len(module.__all__) - len(set(module.__all__))
            if lost or twice:
                print(name, lost, twice, flush=True)
        except BaseException as error:
            print(name, repr(error), flush=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
"""


def test_all_names_only_what_the_module_defines() -> None:
    assert len(WITH_ALL) > 100
    assert run(EACH_ALONE, *map(module_name, WITH_ALL)) == ""


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
