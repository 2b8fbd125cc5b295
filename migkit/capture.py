"""Recorded migrations: a capture's folder, or a single trace log, as a `Migration`.

A capture is a folder with ``scenario.json`` (what went in), ``result.json`` (what came out),
``source.trace.log.gz`` and ``dest.trace.log.gz``; often also ``polls.jsonl.gz`` (query-migrate
while it ran) and ``repeats.json`` (outcomes of further recordings of the same scenario).
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from migkit.errors import CaptureError, TraceLogError
from migkit.provenance import file_sha256
from migkit.results import Migration
from migkit.results.summaries import RUN_STATE_COUNTERS
from migkit.trace import EventLog, read_log

if TYPE_CHECKING:
    import pandas as pd

    from migkit.scenario import Scenario

__all__ = ["Capture", "read_capture", "read_trace_log"]

SCENARIO_FILE: Final = "scenario.json"
RESULT_FILE: Final = "result.json"
LOG_FILES: Final = {"source": "source.trace.log.gz", "dest": "dest.trace.log.gz"}
POLLS_FILE: Final = "polls.jsonl.gz"
REPEATS_FILE: Final = "repeats.json"

_NEEDED: Final = (SCENARIO_FILE, RESULT_FILE, *LOG_FILES.values())
_FIX: Final = f"give a folder that holds {', '.join(_NEEDED)}"


@dataclass(frozen=True, eq=False, repr=False)
class Capture(Migration):
    """A recorded migration with what else its folder holds.

    Parameters
    ----------
    folder : Path
        The capture.
    """

    folder: Path = Path()

    @cached_property
    def scenario(self) -> Scenario:
        """What went in: read from ``scenario.json`` alone, when first asked for."""
        from migkit.scenario import Scenario

        return Scenario.from_capture(self.folder)

    @cached_property
    def result(self) -> dict[str, Any]:
        """Everything in ``result.json``."""
        return _read_object(self.folder / RESULT_FILE)

    @cached_property
    def recordings(self) -> list[dict[str, Any]]:
        """Outcomes of all recordings of this scenario, this one first.

        The keys are those of ``repeats.json``: ``outcome``, ``total_time_ms``, ``downtime_ms``,
        ``dirty_sync_count``, ``precopy_bytes`` and so on; None where QEMU gave no value.
        """
        path = self.folder / REPEATS_FILE
        repeats = _read_json(path) if path.is_file() else []
        if not isinstance(repeats, list) or not all(isinstance(item, dict) for item in repeats):
            raise CaptureError.of(f"read {path}", "it is no list of outcomes", _FIX)
        return [self._outcomes(), *repeats]

    @cached_property
    def polls(self) -> pd.DataFrame:
        """Replies of query-migrate while the migration ran, one row each.

        ``t_s`` is in seconds since ``migrate`` was issued; the other columns have QEMU's names,
        nested ones joined with a dot (``ram.precopy-bytes``). Without rows if none were kept.
        """
        import pandas as pd

        path = self.folder / POLLS_FILE
        rows = _read_lines(path) if path.is_file() else []
        flat = [{"t_s": float(row["t"]), **_flattened(row["src"])} for row in rows]
        return pd.DataFrame(flat, columns=None if flat else ["t_s"]).convert_dtypes()

    def _outcomes(self) -> dict[str, Any]:
        counters = self.counters
        lines = self.ram_save_complete()[["dirty", "done"]]
        issued = (item.get("issued_s") for item in self._timeline())
        return {
            "outcome": self.result["outcome"],
            **{name: counters.get(name) for name in _REPEATED},
            "transferred": counters.get("transferred_bytes"),
            "ram_save_complete": [
                {"dirty": int(dirty), "done": int(done)}
                for dirty, done in zip(lines["dirty"], lines["done"], strict=True)
            ],
            "cpu_throttle_percentage": counters.get("cpu_throttle_percentage"),
            "timeline_issued_s": list(issued),
        }

    def _timeline(self) -> list[dict[str, Any]]:
        return list(_read_object(self.folder / SCENARIO_FILE).get("timeline", []))


_REPEATED: Final = (
    "total_time_ms",
    "downtime_ms",
    "dirty_sync_count",
    "precopy_bytes",
    "postcopy_bytes",
    "multifd_bytes",
    "downtime_bytes",
    "normal_pages",
    "duplicate_pages",
)


def read_capture(path: str | PathLike[str]) -> Capture:
    """Read a recorded migration.

    Parameters
    ----------
    path : path-like
        A capture's folder.

    Returns
    -------
    Capture
        A `Migration` of the kind ``recorded``: summary from ``result.json``, frames from the
        trace logs; also its ``recordings``, ``polls``, ``result`` and ``folder``.

    Raises
    ------
    CaptureError
        The folder is no capture, or a file of it is missing, cut off or damaged.
    """
    folder = Path(path)
    _check_files(folder)
    result = _read_object(folder / RESULT_FILE)
    named = _read_object(folder / SCENARIO_FILE).get("name", folder.name)
    source, destination, dest_state = _final_replies(result, folder)
    logs = _read_logs(folder)
    files = {name: file_sha256(folder / name) for name in _NEEDED}
    made = Migration.from_logs(logs, str(named), source, destination, files=files)
    return Capture(
        name=made.name,
        kind="recorded",
        outcome=str(source["status"]),
        destination_state=dest_state,
        source=made.source,
        record={
            **made.record,
            "counters": {**made.record["counters"], **_run_states(result)},
        },
        folder=folder,
    )


def read_trace_log(path: str | PathLike[str], side: str = "source") -> Migration:
    """Read a trace log of QEMU as a migration.

    Parameters
    ----------
    path : path-like
        The log, plain text or gzip, in any of the three forms.
    side : {"source", "dest"}
        Whose log it is.

    Returns
    -------
    Migration
        Of the kind ``recorded``. The summary is the last state only; what the log does not tell
        is NA in the frames. A torn last line is left out and noted in the provenance.

    Raises
    ------
    TraceLogError
        The file cannot be read, or holds no trace line.
    InputError
        `side` is neither of the two.
    """
    file = Path(path)
    log = read_log(file, side)
    facts: dict[str, Any] = {"files": {file.name: file_sha256(file)}}
    if log.torn_line:
        facts["torn_last_line"] = log.torn_line
    if log.skipped_lines:
        facts["skipped_lines"] = log.skipped_lines
    return Migration.from_logs({side: log}, file.name.split(".")[0], **facts)


def _check_files(folder: Path) -> None:
    if not folder.exists():
        raise CaptureError.of(f"read capture {folder}", "no such folder", _FIX)
    if not folder.is_dir():
        raise CaptureError.of(f"read capture {folder}", "it is a file, not a folder", _FIX)
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise CaptureError.of(f"read capture {folder}", f"missing: {', '.join(missing)}", _FIX)


def _read_logs(folder: Path) -> dict[str, EventLog]:
    logs: dict[str, EventLog] = {}
    for side, name in LOG_FILES.items():
        if side == "dest" and _is_empty(folder / name):
            continue  # a destination that nothing ever reached
        epoch_ns = logs["source"].epoch_ns if "source" in logs else None
        try:
            logs[side] = read_log(folder / name, side, epoch_ns)
        except TraceLogError as error:
            raise CaptureError(f"read capture {folder}: {error}") from error
    return logs


def _is_empty(path: Path) -> bool:
    try:
        with gzip.open(path) as file:
            return not file.read(1)
    except (OSError, EOFError, zlib.error):
        return False  # reading it says what is wrong with it


def _final_replies(
    result: Mapping[str, Any], folder: Path
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Last query-migrate of the source and of the destination, and the destination's state."""
    source = result.get("query_migrate_source")
    dest = result.get("query_migrate_destination")
    if source is None and isinstance(result.get("final"), Mapping):
        source = result["final"].get("source", {}).get("migration")
        dest = result["final"].get("destination", {}).get("migration")
    if not isinstance(source, Mapping) or "status" not in source or "outcome" not in result:
        path = folder / RESULT_FILE
        raise CaptureError.of(f"read {path}", "no outcome or no query-migrate in it", _FIX)
    # A destination that is gone is a word ("exited"), not a reply.
    reply = dict(dest) if isinstance(dest, Mapping) else {"status": str(dest)}
    return dict(source), reply, str(reply.get("status", "unknown"))


def _run_states(result: Mapping[str, Any]) -> dict[str, str]:
    """Run states of both virtual machines, as far as the result tells them."""
    found: dict[str, str] = {}
    for name, side in zip(RUN_STATE_COUNTERS, ("source", "destination"), strict=True):
        state = result.get(f"run_state_{side}")
        if state is None and isinstance(result.get("final"), Mapping):
            state = result["final"].get(side, {}).get("vm")
        if isinstance(state, Mapping):
            state = state.get("status")
        if isinstance(state, str):
            found[name] = state
    return found


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaptureError.of(f"read {path}", error.strerror or str(error), _FIX) from error
    except ValueError as error:
        raise CaptureError.of(f"read {path}", f"it is not JSON: {error}", _FIX) from error


def _read_object(path: Path) -> dict[str, Any]:
    value = _read_json(path)
    if not isinstance(value, dict):
        raise CaptureError.of(f"read {path}", "it holds no JSON object", _FIX)
    return value


def _read_lines(path: Path) -> list[dict[str, Any]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise CaptureError.of(
            f"read {path}", f"it is cut off or damaged: {error}", _FIX
        ) from error
    if not all(isinstance(row, dict) and {"t", "src"} <= row.keys() for row in rows):
        raise CaptureError.of(f"read {path}", "a line has no t and src", _FIX)
    return rows


def _flattened(reply: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in reply.items():
        if isinstance(value, Mapping):
            flat |= _flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
