"""The captures, streams, dirty traces and scenarios that ship with migkit, found and checked.

They lie in the folder ``datasets`` of a checkout, or in the folder that the environment variable
``MIGKIT_DATA`` names. Its ``registry.toml`` holds the checksum of every file of every
capture, stream and trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from migkit.dataset_registry import VARIABLE, check_file, root, tables_of, unreadable
from migkit.dirty_traces import DirtyTrace, dirty_trace_names, load_dirty_trace
from migkit.errors import DatasetError, did_you_mean

if TYPE_CHECKING:
    from migkit.results import Migration

__all__ = [
    "VARIABLE",
    "CaptureRecord",
    "DirtyTrace",
    "capture_folder",
    "capture_folders",
    "capture_names",
    "capture_record",
    "dirty_trace_names",
    "load_capture",
    "load_dirty_trace",
    "root",
    "scenario_file",
    "scenario_names",
    "stream_folder",
    "stream_names",
]


@dataclass(frozen=True)
class CaptureRecord:
    """What the registry says of a capture.

    Attributes
    ----------
    name : str
        Name of its folder.
    about : str
        What it shows.
    qemu_version, completion_rule : str
        What was recorded.
    sha256 : dict
        File name to checksum, for every file.
    """

    name: str
    about: str
    qemu_version: str
    completion_rule: str
    sha256: dict[str, str]


def capture_names() -> list[str]:
    """Name the captures that ship, in the order of the registry.

    Returns
    -------
    list of str
        Their names.

    Raises
    ------
    DatasetError
        If the data sets are not found.

    Examples
    --------
    >>> capture_names()[:2]
    ['idle', 'precopy-hot-before']
    """
    return list(_registry())


def capture_record(name: str) -> CaptureRecord:
    """Read what the registry says of a capture.

    Parameters
    ----------
    name : str
        One of `capture_names`.

    Returns
    -------
    CaptureRecord
        Its entry.

    Raises
    ------
    DatasetError
        If there is no capture of that name.

    Examples
    --------
    >>> capture_record("precopy-hot-before").completion_rule
    'before'
    """
    records = _registry()
    if name not in records:
        raise DatasetError.of(f"capture {name}", "not registered", did_you_mean(name, records))
    return records[name]


def capture_folder(name: str) -> Path:
    """Find a capture and check every file of it.

    Parameters
    ----------
    name : str
        One of `capture_names`.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    DatasetError
        If there is no such capture, or a file is missing or not the registered one.

    Examples
    --------
    >>> capture_folder("idle").name
    'idle'
    """
    folder = root() / "captures" / name
    for file, checksum in capture_record(name).sha256.items():
        check_file(folder / file, checksum)
    return folder


def capture_folders() -> list[Path]:
    """Find all captures that ship; see `capture_folder`.

    Returns
    -------
    list of Path
        Their folders, in the order of the registry.

    Raises
    ------
    DatasetError
        If a file is missing or not the registered one.
    """
    return [capture_folder(name) for name in capture_names()]


def load_capture(name: str) -> Migration:
    """Read a capture that ships.

    Parameters
    ----------
    name : str
        One of `capture_names`.

    Returns
    -------
    Migration
        The recorded migration.

    Raises
    ------
    DatasetError
        If there is no such capture, or a file is missing or not the registered one.
    """
    from migkit.capture import read_capture

    return read_capture(capture_folder(name))


def scenario_names() -> list[str]:
    """Name the scenarios that ship.

    Returns
    -------
    list of str
        Sorted names.

    Raises
    ------
    DatasetError
        If the data sets are not found.

    Examples
    --------
    >>> "8gib-uniform" in scenario_names()
    True
    """
    return sorted(path.stem for path in (root() / "scenarios").glob("*.toml"))


def scenario_file(name: str) -> Path:
    """Find the file of a scenario that ships; `migkit.Scenario.from_file` reads it.

    Parameters
    ----------
    name : str
        One of `scenario_names`.

    Returns
    -------
    Path
        Its TOML file.

    Raises
    ------
    DatasetError
        If there is no scenario of that name.

    Examples
    --------
    >>> scenario_file("8gib-uniform").name
    '8gib-uniform.toml'
    """
    names = scenario_names()
    if name not in names:
        raise DatasetError.of(f"scenario {name}", "not shipped", did_you_mean(name, names))
    return root() / "scenarios" / f"{name}.toml"


def stream_names() -> list[str]:
    """Name the recorded migration streams that ship; `stream_folder` finds one.

    Returns
    -------
    list of str
        QEMU's version and what was recorded.

    Raises
    ------
    DatasetError
        If the data sets are not found.

    Examples
    --------
    >>> stream_names()[0]
    '10.0-file'
    """
    return list(tables_of("streams"))


def stream_folder(name: str) -> Path:
    """Find a recorded stream and check every file of it.

    Parameters
    ----------
    name : str
        One of `stream_names`.

    Returns
    -------
    Path
        Its folder: the channels as ``.xz`` files, and QEMU's counters in ``expected.json``.

    Raises
    ------
    DatasetError
        If there is no such stream, or a file is missing or not the registered one.
    """
    known = tables_of("streams")
    if name not in known:
        raise DatasetError.of(f"stream {name}", "not registered", did_you_mean(name, known))
    folder = root() / "streams" / name
    for file, checksum in known[name]["sha256"].items():
        check_file(folder / file, checksum)
    return folder


def _registry() -> dict[str, CaptureRecord]:
    tables = tables_of("captures")
    try:
        return {name: CaptureRecord(name=name, **table) for name, table in tables.items()}
    except (TypeError, AttributeError) as error:
        raise unreadable(error) from None
