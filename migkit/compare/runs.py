"""The two runs of a comparison: read, taken as they are, or simulated where there is none."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from migkit.capture import read_capture, read_trace_log
from migkit.errors import CaptureError, InputError
from migkit.results import Migration
from migkit.simulate import simulate

__all__ = ["Run", "read_run", "run_of", "twin_of"]

#: A run, or the path of one.
Run = Migration | str | PathLike[str]

_STORED = "migration.json"


def read_run(path: str | PathLike[str]) -> Migration:
    """Read a capture, a trace log or a stored migration, whichever the path is.

    Parameters
    ----------
    path : path-like
        A file or a folder.

    Returns
    -------
    Migration
        What was recorded or stored.

    Raises
    ------
    CaptureError
        If nothing is there, or the folder is neither a capture nor a stored migration.
    TraceLogError
        If the file is no trace log.
    StorageError
        If the stored migration is damaged.
    """
    place = Path(path)
    if place.is_file():
        return read_trace_log(place)
    if (place / _STORED).is_file():
        return Migration.load(place)
    if not place.is_dir():
        raise CaptureError.of(f"read {place}", "no such file or folder", "name a capture or a log")
    return read_capture(place)


def run_of(run: Run) -> Migration:
    """Return a run as it is, or read it from its path; see `read_run`."""
    if isinstance(run, Migration):
        return run
    if not isinstance(run, str | PathLike):
        raise InputError.of(
            f"compare {run!r}",
            f"a {type(run).__name__}; allowed are a Migration and the path of one",
            "give a capture's folder, a trace log, a stored migration, or a Migration",
        )
    return read_run(run)


def twin_of(real: Migration, engine: str) -> Migration:
    """Simulate the scenario of a run.

    Parameters
    ----------
    real : Migration
        A run that knows what went in.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.

    Returns
    -------
    Migration
        Its twin.

    Raises
    ------
    InputError
        If the run has no scenario, as a trace log alone.
    NotSimulatedError
        If the scenario uses what the engine does not model.
    """
    scenario = real.scenario
    if scenario is None:
        raise InputError.of(
            f"compare {real.name}",
            "it has no scenario that a twin could be simulated from",
            "give a second run, or a capture's folder in place of a log",
        )
    return simulate(scenario, engine=engine)
