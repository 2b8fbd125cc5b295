"""Where tests of inputs find the captures that ship with the project."""

from collections.abc import Callable
from pathlib import Path

import pytest

DATASETS = Path(__file__).parents[2] / "datasets"


@pytest.fixture
def capture_folder() -> Callable[[str], Path]:
    """Folder of a shipped capture, by name."""
    return lambda name: DATASETS / "captures" / name
