"""One version, one list of dependencies, and every source file in the package that is built."""

import importlib.metadata
import importlib.resources
import re
import tomllib
from importlib.resources.abc import Traversable

import pytest
import yaml
from packaging.requirements import Requirement

import migkit
from house.source_tree import PACKAGE, ROOT, files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
RUN_TIME = {"numpy", "pandas", "matplotlib", "pyarrow", "ipywidgets", "qemu.qmp", "zstandard"}
ONLY_CONDA = {"python", "pip", "c-compiler"}
BUILD_FILE = (PACKAGE / "_engine" / "meson.build").read_text()
MODULE_LIST = re.search(r"^modules = \[(.*?)\]", BUILD_FILE, re.DOTALL | re.MULTILINE)
assert MODULE_LIST is not None
LISTED = re.findall(r"'(\w+)'", MODULE_LIST[1])


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group with what it includes."""
    found = []
    for entry in PROJECT["dependency-groups"][name]:
        found += group(entry["include-group"]) if isinstance(entry, dict) else [entry]
    return found


def floors(lines: list[str]) -> dict[str, str]:
    parsed = [Requirement(line) for line in lines]
    return {requirement.name: str(requirement.specifier) for requirement in parsed}


def test_run_time_needs_five_libraries() -> None:
    assert set(floors(PROJECT["project"]["dependencies"])) == RUN_TIME


def test_conda_and_pip_ask_for_the_same() -> None:
    pip = floors(
        PROJECT["project"]["dependencies"]
        + PROJECT["project"]["optional-dependencies"]["notebooks"]
        + group("dev")
    )
    conda = {n: floor for n, floor in floors(ENVIRONMENT).items() if n not in ONLY_CONDA}
    assert conda == pip


def test_conda_asks_for_the_same_python() -> None:
    assert floors(ENVIRONMENT)["python"] == PROJECT["project"]["requires-python"]


def test_the_build_group_is_what_the_build_requires() -> None:
    assert sorted(group("build")) == sorted(PROJECT["build-system"]["requires"])


@pytest.mark.parametrize("name", sorted(RUN_TIME))
def test_what_is_installed_meets_the_floor(name: str) -> None:
    [floor] = [r for r in map(Requirement, PROJECT["project"]["dependencies"]) if r.name == name]
    assert importlib.metadata.version(name) in floor.specifier


def test_there_is_one_version() -> None:
    meson = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.search(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert meson is not None
    assert released is not None
    versions = {
        migkit.__version__,
        importlib.metadata.version("migkit"),
        meson[1],
        str(citation["version"]),
        released[1],
    }
    assert versions == {migkit.__version__}


def test_every_compiled_module_is_listed_once() -> None:
    assert sorted(LISTED) == sorted(path.stem for path in PACKAGE.glob("_engine/*.pyx"))


def test_compiled_modules_lie_only_in_the_engine() -> None:
    assert [path for path in files(".pyx", under=PACKAGE) if path.parent.name != "_engine"] == []


def test_every_compiled_module_that_python_can_call_has_a_stub() -> None:
    callable_ones = {
        path.stem
        for path in PACKAGE.glob("_engine/*.pyx")
        if re.search(r"^(?:def|cpdef|class)\s", path.read_text(), re.MULTILINE)
    }
    stubs = {path.stem for path in PACKAGE.glob("_engine/*.pyi")}
    assert sorted(callable_ones - stubs) == []


def below(folder: Traversable, prefix: str = "") -> set[str]:
    """Return the files of an installed package, in whatever way it was installed."""
    found = set()
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        found |= below(entry, f"{name}/") if entry.is_dir() else {name}
    return found


def test_every_source_file_is_installed() -> None:
    on_disk = {path.relative_to(PACKAGE).as_posix() for path in files(under=PACKAGE)}
    wanted = on_disk - {"_engine/meson.build"}
    assert sorted(wanted - below(importlib.resources.files("migkit"))) == []


def test_the_package_says_that_it_is_typed() -> None:
    assert importlib.resources.files("migkit").joinpath("py.typed").is_file()


def test_the_command_is_installed() -> None:
    [command] = importlib.metadata.entry_points(group="console_scripts", name="migkit")
    assert callable(command.load())
