"""Imports run downward through the layers that ARCHITECTURE.md draws, and never in a circle."""

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from house.source_tree import PACKAGE, ROOT, Import, imports_of, module_name, modules

ROW = re.compile(r"^\| L(\d) \| (.*?) *\|$", re.MULTILINE)
CIMPORT = re.compile(r"^\s*(?:from\s+migkit\._engine(?:\.(\w+))?\s+c?import\s+([\w, ]+)|"
                     r"c?import\s+migkit\._engine\.(\w+))", re.MULTILINE)  # fmt: skip
ENGINE_ROW = re.compile(r"^    types -> .*(?:\n    -> .*)*$", re.MULTILINE)
HEAVY = {"matplotlib", "ipywidgets", "IPython", "pandas", "pyarrow", "numpy"}
PLOT_LAYER = 6


def drawing() -> dict[str, int]:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    return {name: int(level) for level, names in ROW.findall(text) for name in names.split()}


def engine_order() -> list[str]:
    """Return the engine's modules as drawn: each cimports only what stands to its left."""
    rows = ENGINE_ROW.findall((ROOT / "ARCHITECTURE.md").read_text())
    return [name for row in rows for name in row.replace("->", " ").split()]


LAYER = drawing()
ENGINE_ORDER = engine_order()
SOURCES = {name: path for name, path in modules().items() if path.suffix == ".py"}
IMPORTS = [found for path in SOURCES.values() for found in imports_of(path)]
ENGINE_FILES = sorted([*PACKAGE.glob("_engine/*.pyx"), *PACKAGE.glob("_engine/*.pxd")])


def part(name: str) -> str | None:
    """Return the module or folder of the package that a dotted name lies in."""
    pieces = name.split(".")
    return pieces[1] if pieces[0] == "migkit" and len(pieces) > 1 else None


def climbs(found: Import) -> bool:
    here, there = part(found.importer), part(found.imported)
    if here not in LAYER or there not in LAYER:
        return False
    return LAYER[there] > LAYER[here]


def test_every_module_has_a_place_in_the_drawing() -> None:
    parts = {part(name) for name in modules()} - {None}
    assert sorted(parts - set(LAYER)) == [], "draw these in ARCHITECTURE.md"


def test_the_drawing_names_only_what_exists() -> None:
    parts = {part(name) for name in modules()}
    assert sorted(set(LAYER) - parts) == [], "ARCHITECTURE.md draws modules that are not there"


def test_no_import_climbs() -> None:
    climbing = [f"{found.importer} imports {found.imported}" for found in IMPORTS if climbs(found)]
    assert climbing == []


def test_a_climbing_import_is_noticed() -> None:
    assert climbs(Import("migkit.units", "migkit.plot.rounds", at_load=True))
    assert not climbs(Import("migkit.plot.rounds", "migkit.units", at_load=True))


def test_only_the_package_root_names_the_public_surface() -> None:
    wrong = [
        f"{found.importer} imports {found.imported}"
        for found in IMPORTS
        if found.importer != "migkit"
        and found.imported.startswith("migkit.")
        and part(found.imported) not in LAYER
        and found.imported != "migkit.__version__"
    ]
    assert wrong == [], "import from the module that defines a name, not from the package root"


def test_imports_do_not_run_in_a_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in SOURCES}
    for found in IMPORTS:
        target = found.imported
        if target not in graph:
            target = target.rpartition(".")[0]
        if target in graph and target != found.importer and found.at_load:
            graph[found.importer].add(target)
    graph["migkit"] = set()  # its names are loaded when they are first used
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_engine_and_oracle_do_not_know_each_other() -> None:
    pair = {"_engine", "oracle"}
    known = [f for f in IMPORTS if {part(f.importer), part(f.imported)} == pair]
    assert known == []


def test_pictures_are_drawn_only_from_the_plot_layer_up() -> None:
    early = [
        f"{found.importer} imports {found.imported}"
        for found in IMPORTS
        if found.imported.split(".")[0] == "matplotlib"
        and LAYER.get(part(found.importer) or "", 0) < PLOT_LAYER
    ]
    assert early == []


def test_widgets_live_only_in_the_explorers_view() -> None:
    users = {f.importer for f in IMPORTS if f.imported.split(".")[0] in {"ipywidgets", "IPython"}}
    assert {name for name in users if not name.startswith("migkit.explorer.view")} == set()


def cimported(path: Path) -> set[str]:
    names = set()
    for inside, listed, whole in CIMPORT.findall(path.read_text()):
        names |= {inside or whole} if inside or whole else set(re.findall(r"\w+", listed))
    return names - {path.stem}


@pytest.mark.parametrize("path", ENGINE_FILES, ids=lambda path: path.name)
def test_the_engine_cimports_from_left_to_right(path: Path) -> None:
    assert path.stem in ENGINE_ORDER, f"draw {path.stem} in ARCHITECTURE.md"
    allowed = set(ENGINE_ORDER[: ENGINE_ORDER.index(path.stem)])
    assert sorted(cimported(path) - allowed) == []


def test_the_engine_is_drawn_as_it_is() -> None:
    assert sorted(ENGINE_ORDER) == sorted({path.stem for path in ENGINE_FILES})


@pytest.mark.parametrize("path", ENGINE_FILES, ids=lambda path: path.name)
def test_the_engine_imports_no_python_library_at_module_level_but_numpy(path: Path) -> None:
    names = re.findall(r"^(?:from|import)\s+(\w+)", path.read_text(), re.MULTILINE)
    assert (set(names) & HEAVY) <= {"numpy"}


def test_cimports_are_read_in_all_their_spellings(tmp_path: Path) -> None:
    source = tmp_path / "bitmap.pyx"
    source.write_text(
        "from migkit._engine.types cimport page_t, vtime_t\n"
        "from migkit._engine cimport loop, ram\n"
        "cimport migkit._engine.writers\n"
        "from migkit._engine.decisions import complete\n"
    )
    assert cimported(source) == {"types", "loop", "ram", "writers", "decisions"}


def test_names_are_absolute_whatever_the_import_looks_like(tmp_path: Path) -> None:
    package = tmp_path / "migkit"
    (package / "plot").mkdir(parents=True)
    source = package / "plot" / "rounds.py"
    source.write_text(
        "from ..units import GIB\nfrom . import axes\nfrom migkit import style\n"
        "from typing import TYPE_CHECKING\n"
        "def draw():\n    import migkit.results.frames\n"
        "if TYPE_CHECKING:\n    from migkit.results import Migration\n"
    )
    found = {f.imported: f.at_load for f in imports_of(source, package)}
    assert module_name(source, package) == "migkit.plot.rounds"
    assert found == {
        "migkit.units.GIB": True,
        "migkit.plot.axes": True,
        "migkit.style": True,
        "typing.TYPE_CHECKING": True,
        "migkit.results.frames": False,
        "migkit.results.Migration": False,
    }
