"""Scenarios in files: JSON written and read, TOML read."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.atomic import write_text
from migkit.errors import ScenarioError, StorageError
from migkit.scenario.io import scenario_from_dict, scenario_to_dict

if TYPE_CHECKING:
    from migkit.scenario.scenario import Scenario

__all__ = ["read_scenario", "read_values", "write_scenario"]


def read_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Parameters
    ----------
    path : Path
        TOML or JSON, by its suffix; exact, or with the fields of
        `migkit.scenario.text.WrittenScenario`. Tables `FOR_READERS` are left out.

    Returns
    -------
    Scenario
        The scenario; named after the file if the file names none.

    Raises
    ------
    InputError
        If the file cannot be read, or at the first value that is not valid.
    """
    return scenario_from_dict(read_values(path))


def read_values(path: Path) -> Any:
    """Read the tables of a scenario file, unchecked.

    Parameters
    ----------
    path : Path
        TOML or JSON, by its suffix.

    Returns
    -------
    Any
        What it holds; named after the file if it names no scenario.

    Raises
    ------
    ScenarioError
        If the file cannot be read.
    """
    if path.suffix not in (".toml", ".json"):
        raise ScenarioError.of(f"scenario {path}", "allowed .toml or .json", "name such a file")
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ScenarioError.of(f"scenario {path}", f"{error.strerror}", "name a file") from None
    except ValueError as error:
        found = f"not {path.suffix[1:].upper()}: {error}"
        raise ScenarioError.of(f"scenario {path}", found, "mend the file") from None
    if isinstance(values, dict):
        values.setdefault("name", path.stem)
    return values


def write_scenario(scenario: Scenario, path: Path) -> None:
    """Write a scenario to a JSON file, as a whole or not at all.

    Parameters
    ----------
    scenario : Scenario
        Any but one with a callback.
    path : Path
        A file ending in ``.json``.

    Raises
    ------
    ScenarioError
        If the scenario cannot be written down, or the name ends otherwise.
    StorageError
        If the file cannot be written.
    """
    if path.suffix != ".json":
        raise ScenarioError.of(f"scenario {path}", "allowed .json", "name such a file")
    text = json.dumps(scenario_to_dict(scenario), indent=2) + "\n"
    try:
        write_text(path, text)
    except OSError as error:
        raise StorageError.of(
            f"scenario {path}", f"cannot be written: {error.strerror}", "choose another place"
        ) from None
