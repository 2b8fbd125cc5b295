"""A copy of a shipped capture that a test may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from migkit import datasets


@pytest.fixture
def idle_capture(tmp_path: Path) -> Path:
    """Return a copy of the capture ``idle``."""
    return Path(shutil.copytree(datasets.capture_folder("idle"), tmp_path / "idle"))
