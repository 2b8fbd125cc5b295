"""Spans of QEMU's trace log that show one cost of the host each.

Recorded and simulated logs are read by the same functions, so a span means the same in both. A
span is called after the constant of `migkit.host.HostProfile` that decides it; the length of what
else lies in it is taken out later, by comparison with the span in the twin's log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from migkit.calibrate.marks import Floats, checkpoint, marks, spans
from migkit.calibrate.pages import PassSamples, pass_samples
from migkit.trace import EventLog

if TYPE_CHECKING:
    from migkit.results import Migration

__all__ = ["SPANS"]

_DISCARD, _LISTEN = 6, 4
_MS: Final = 1_000_000
_FEW_PAGES = 200  # of a final pass: nothing waits for the destination
_SOME_PAGES, _MANY_PAGES, _LONG_PASS_PAGES = 200, 500, 4000
_WINDOW_MS = 100
_PHASES: Final = np.arange(0, _MS, 50_000)


def _thread_start(migration: Migration, log: EventLog) -> Floats:
    start = marks(log, "migrate_set_state", "new_state", "setup")[:1]
    return spans(log, start, log.rows("savevm_state_header"))


def _setup(migration: Migration, log: EventLog) -> Floats:
    active = marks(log, "migrate_set_state", "new_state", "active")
    return spans(log, log.rows("savevm_state_header")[:1], active)


def _pass(migration: Migration, log: EventLog) -> Floats:
    """From the end of a section, or of the setup, to the next pass with nothing in between."""
    ends = np.sort(log.rows("savevm_section_end", "migration_thread_setup_complete"))
    ends = ends[np.isin(ends + 1, log.rows("migrate_pending_estimate"))]
    return (log.t_ns[ends + 1] - log.t_ns[ends]).astype(float)


def _section(migration: Migration, log: EventLog) -> Floats:
    """From the header of the final section of RAM to its first line."""
    begun = marks(log, "ram_save_complete", "done", 0)
    begun = begun[np.isin(begun - 1, log.rows("savevm_section_start"))]
    return (log.t_ns[begun] - log.t_ns[begun - 1]).astype(float)


def _sweep(migration: Migration, log: EventLog) -> Floats:
    """Time a final pass with nothing to send and no sync: a sweep that finds nothing."""
    begun = marks(log, "ram_save_complete", "done", 0)
    done = marks(log, "ram_save_complete", "done", 1)
    empty = begun[np.isin(begun, marks(log, "ram_save_complete", "dirty", 0))]
    empty = empty[np.isin(empty + 1, done)]
    return (log.t_ns[empty + 1] - log.t_ns[empty]).astype(float)


def _sync_spans(migration: Migration, reasons: tuple[str, ...]) -> Floats:
    rounds = migration.rounds
    rounds = rounds[rounds["reason"].isin(reasons)]
    return (rounds["end_ns"] - rounds["t_ns"]).to_numpy(float, na_value=np.nan)


def _sync(migration: Migration, log: EventLog) -> Floats:
    later = _sync_spans(migration, ("exact",))[1:]
    return np.concatenate([later, _sync_spans(migration, ("final", "postcopy"))])


def _sync_first(migration: Migration, log: EventLog) -> Floats:
    return _sync_spans(migration, ("exact",))[:1]


def _limiter_wake(migration: Migration, log: EventLog) -> Floats:
    """How late the limiter woke up: it sleeps whole milliseconds from the end of a pass.

    Where a window began within QEMU's millisecond is unknown but constant in a recording; the
    phase under which the wake-ups scatter least is the right one.
    """
    closed = log.rows("migrate_transferred")
    after = marks(log, "migrate_set_state", "new_state", "device")
    closed = closed[closed < (after[0] if len(after) else len(log))]
    previous, closed = closed[:-1], closed[1:]
    slept = np.isin(closed - 1, log.rows("savevm_section_end"))
    previous, closed = previous[slept], closed[slept]
    begun, end, woken = log.t_ns[previous], log.t_ns[closed - 1], log.t_ns[closed]
    long = woken - end > 2 * _MS
    if np.count_nonzero(long) < 3:
        return np.array([])
    begun, end, woken = begun[long], end[long], woken[long]
    shifted = begun[None, :] + _PHASES[:, None], end[None, :] + _PHASES[:, None]
    sleep_ns = (shifted[0] // _MS + _WINDOW_MS - shifted[1] // _MS) * _MS
    late = (woken - end)[None, :] - sleep_ns
    scatter = np.mean(np.abs(late - np.median(late, axis=1, keepdims=True)), axis=1)
    return late[int(np.argmin(scatter))].astype(float)


def _vm_stop(migration: Migration, log: EventLog) -> Floats:
    return spans(log, checkpoint(log, "src-downtime-start"), checkpoint(log, "src-vm-stopped"))


def _device_state(migration: Migration, log: EventLog) -> Floats:
    """Only after a final pass so short that the stream does not wait for the destination."""
    pages = log.column("ram_save_complete", "dirty")
    if len(log.rows("postcopy_start")) or not len(pages) or pages[0] > _FEW_PAGES:
        return np.array([])
    saved = checkpoint(log, "src-non-iterable-saved")
    return spans(log, checkpoint(log, "src-iterable-saved"), saved)


def _discard(migration: Migration, log: EventLog) -> Floats:
    """Mean over one postcopy start: a single command is shorter than the log's microsecond."""
    rows = marks(log, "savevm_command_send", "command", _DISCARD)
    if len(rows) < 10:
        return np.array([])
    return np.array([(log.t_ns[rows[-1]] - log.t_ns[rows[0]]) / (len(rows) - 1)])


def _package(migration: Migration, log: EventLog) -> Floats:
    listen = marks(log, "savevm_command_send", "command", _LISTEN)
    return spans(log, listen, checkpoint(log, "src-non-iterable-saved"))


def _place(migration: Migration, log: EventLog) -> Floats:
    """Time a page in the long passes of postcopy but the first, which fills the buffers.

    Passes that are much quicker than the slowest send zero pages as well and are left out.
    """
    scenario = migration.scenario
    if scenario is None or scenario.parameters.max_postcopy_bandwidth_bytes_per_s:
        return np.array([])
    passes = migration.iterations
    passes = passes[passes["in_postcopy"].fillna(False).astype(bool)]
    left = passes["pending_estimate_bytes"].to_numpy(float, na_value=np.nan)
    begun = passes["t_ns"].to_numpy(float, na_value=np.nan)[1:-1]
    end = passes["end_ns"].to_numpy(float, na_value=np.nan)[1:-1]
    pages = -np.diff(left)[1:] / 4096
    long = pages >= _LONG_PASS_PAGES
    per_page = (end - begun)[long] / pages[long]
    return per_page[per_page >= 0.8 * per_page.max(initial=0.0)]


def _request(migration: Migration, log: EventLog) -> Floats:
    """From the fault thread to the source's return path thread."""
    faults = migration.faults.dropna(subset=["fault_ns", "request_ns"])
    spans = (faults["request_ns"] - faults["fault_ns"]).to_numpy(float)
    return spans[spans >= 0]


def _per_page(samples: PassSamples, wanted: Floats) -> Floats:
    pages = samples.normal + samples.zero
    return samples.span_ns[wanted] / pages[wanted]


def _later_page(migration: Migration, log: EventLog) -> Floats:
    """Time a page of the final pass, where nothing else runs on the source."""
    samples = pass_samples(migration)
    return _per_page(samples, samples.final & (samples.normal >= _SOME_PAGES))


def _first_touch(migration: Migration, log: EventLog) -> Floats:
    samples = pass_samples(migration)
    return _per_page(
        samples, (samples.zero == 0) & samples.fresh & (samples.normal >= _MANY_PAGES)
    )


def _zero(migration: Migration, log: EventLog) -> Floats:
    samples = pass_samples(migration)
    mostly = samples.zero >= 20 * samples.normal
    return _per_page(samples, mostly & samples.fresh & (samples.zero >= _MANY_PAGES))


SPANS: Final[dict[str, Callable[[Migration, EventLog], Floats]]] = {
    "thread_start_ns": _thread_start,
    "setup_ns": _setup,
    "pass_ns": _pass,
    "section_ns": _section,
    "sweep_ns": _sweep,
    "sync_fixed_ns": _sync,
    "sync_first_ns": _sync_first,
    "limiter_wake_ns": _limiter_wake,
    "vm_stop_ns": _vm_stop,
    "device_state_ns": _device_state,
    "discard_command_ns": _discard,
    "package_ns": _package,
    "sparse_page_ns": _later_page,
    "first_touch_page_ns": _first_touch,
    "zero_page_ns": _zero,
    "place_page_ns": _place,
    "postcopy.request_ns": _request,
}
"""Constant of the host profile to the spans that show it, nanoseconds each."""
