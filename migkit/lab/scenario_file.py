"""What a lab run is asked for in a file: a scenario, and what goes wrong in it."""

from __future__ import annotations

import json
from pathlib import Path

from migkit.lab.failures import Failures, written_failures
from migkit.scenario import Scenario
from migkit.scenario.files import read_values

__all__ = ["read_lab_file", "read_lab_scenario"]


def read_lab_file(path: Path) -> tuple[Scenario, Failures]:
    """Read a scenario and what goes wrong in it: its file's table ``failures``.

    Parameters
    ----------
    path : Path
        A TOML or JSON file, or a capture to record again.

    Returns
    -------
    (Scenario, Failures)
        Both.

    Raises
    ------
    MigkitError
        If it is neither, or a value is not valid.
    """
    if path.is_dir() or _tells_its_qemu(path):
        return Scenario.from_capture(path), Failures()
    values = read_values(path)
    table = values.pop("failures", {}) if isinstance(values, dict) else {}
    return Scenario.from_dict(values), written_failures(table)


def read_lab_scenario(path: Path) -> Scenario:
    """Read a scenario from a file, or from a capture to record again.

    Parameters
    ----------
    path : Path
        A TOML or JSON file of `migkit.scenario.Scenario.from_file`, or a capture's folder or
        ``scenario.json``.

    Returns
    -------
    Scenario
        The scenario.

    Raises
    ------
    MigkitError
        If it is neither.
    """
    return read_lab_file(path)[0]


def _tells_its_qemu(path: Path) -> bool:
    """Whether a file is a capture's scenario.json: that of a user names no recorded QEMU."""
    if path.suffix != ".json":
        return False
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and isinstance(values.get("qemu"), dict)
