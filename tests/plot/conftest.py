"""Axes to draw on."""

from collections.abc import Iterator

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from migkit import style


@pytest.fixture
def ax() -> Iterator[Axes]:
    with style.paper():
        yield Figure().subplots()
