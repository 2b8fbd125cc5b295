"""The Cython compiler finds nothing to warn of, and no hot function that takes the lock back."""

import subprocess
import sys
from pathlib import Path

import pytest

from house.source_tree import PACKAGE, ROOT

SOURCES = sorted(PACKAGE.glob("_engine/*.pyx"))
DIRECTIVES = [
    "-Xboundscheck=False", "-Xwraparound=False", "-Xcdivision=True",
    "-Xfreethreading_compatible=True",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_the_compiler_is_silent(source: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cython", "-3", *DIRECTIVES, str(source), "-o", tmp_path / "out.c"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""


def test_the_directives_are_those_of_the_build() -> None:
    build = (ROOT / "meson.build").read_text()
    assert [flag for flag in DIRECTIVES if f"'{flag}'" not in build] == []
