"""Examples in docstrings run, those of the compiled modules too."""

import doctest
import importlib
from pathlib import Path

import pytest

from house.source_tree import PACKAGE, modules

NAMES = sorted(name for name in modules() if name != "migkit.__main__")


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGKIT_DATA", str(PACKAGE.parent / "datasets"))
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(name)).failed == 0
