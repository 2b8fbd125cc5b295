"""Runs the plot tests draw: shipped recordings, and small simulated guests."""

from functools import cache

import migkit
from migkit import datasets
from migkit.results import Migration


@cache
def recorded(name: str) -> Migration:
    return datasets.load_capture(name)


@cache
def simulated(**values: object) -> Migration:
    """Simulate a guest of 32 MiB at 16 MiB/s, unless told otherwise."""
    common = {"memory": "32MiB", "bandwidth": "16MiB/s", "observe_for": "10s", "rule": "after"}
    return migkit.simulate(**{**common, **values})
