"""What a run leaves behind: tables of int64 columns, events and counters."""

from __future__ import annotations

from typing import Any

import numpy as np

from migkit.oracle import dirty_limit
from migkit.oracle.codes import RunState, State
from migkit.oracle.world import PAGE_BYTES, World
from migkit.schema import RECORDING


def recording(w: World) -> dict[str, Any]:
    """Return the recording of a finished run, as :mod:`migkit.results` reads it."""
    out: dict[str, Any] = {name: columns(w, name) for name in RECORDING}
    events = np.array(w.events, dtype=np.int64).reshape(-1, 7)
    out["events"] = events[np.argsort(events[:, 0], kind="stable")]
    out["counters"] = counters(w)
    out["handlers"] = ("ram", *(handler["name"] for handler in w.handlers))
    out["ram_blocks"] = tuple(w.plan.block_names)
    out["outcome"] = state_name(w.state)
    out["destination_state"] = state_name(w.destination_state)
    out["blocktime"] = w.incoming.blocktime.account() if w.plan.postcopy.blocktime else None
    out["run_states"] = tuple(run_state_name(s) for s in (w.run_state, destination_runs(w)))
    out["iterables_arrive_ns"] = w.iterables_arrive_ns
    out["devices_arrive_ns"] = w.devices_arrive_ns
    out["held_segment_ns"] = w.held_ns
    whole = w.whole_stream_ns
    out["stream_arrived_ns"] = whole - w.plan.host.load_ns if whole >= 0 else -1
    out["destination_runs_ns"] = w.destination_runs_ns
    return out


def state_name(state: State) -> str:
    """Return QEMU's spelling of a state."""
    return State(state).name.lower().replace("_", "-")


def run_state_name(state: RunState) -> str:
    """Return QEMU's spelling of a run state."""
    return RunState(state).name.lower().replace("_", "-")


def destination_runs(w: World) -> RunState:
    """Return the destination's run state; in postcopy it runs from a moment on."""
    if w.destination_run_state == RunState.INMIGRATE and 0 <= w.destination_runs_ns <= w.t:
        return w.run_state_before
    return w.destination_run_state


def columns(w: World, table: str) -> dict[str, np.ndarray]:
    """Turn a table's rows into named columns."""
    rows = np.array(w.tables[table], dtype=np.int64).reshape(-1, len(RECORDING[table]))
    return {name: rows[:, i].copy() for i, name in enumerate(RECORDING[table])}


def counters(w: World) -> dict[str, Any]:
    """Return the fields of query-migrate at the end of the run."""
    completed = w.state == State.COMPLETED
    return xbzrle_counters(w) | {
        "status": state_name(w.state),
        "total_time_ms": w.total_time_ms,
        "setup_time_ms": w.setup_time_ms,
        "downtime_ms": w.downtime_ms,
        "expected_downtime_ms": w.expected_downtime_ms,
        "transferred_bytes": w.transferred,
        "remaining_bytes": 0 if completed else w.dirty_pages * PAGE_BYTES,
        "total_bytes": w.migrated_pages * PAGE_BYTES,
        "duplicate_pages": w.zero_pages,
        "normal_pages": w.normal_pages,
        "mbps": w.mbps,
        "dirty_sync_count": w.dirty_sync_count,
        "postcopy_requests": w.postcopy_requests,
        "multifd_bytes": 0 if w.multifd is None else w.multifd.bytes,
        "dirty_sync_missed_zero_copy": 0 if w.multifd is None else w.multifd.missed_zero_copy,
        "pages_per_second": int(w.pages_per_second),
        "dirty_pages_rate_per_s": 0 if completed else w.dirty_pages_rate,
        "precopy_bytes": w.precopy_bytes,
        "downtime_bytes": w.downtime_bytes,
        "postcopy_bytes": w.postcopy_bytes,
        "cpu_throttle_percentage": w.throttle_percentage,
        "dirty_limit_throttle_time_per_round_us": dirty_limit.throttle_time_us(w),
        "dirty_limit_ring_full_time_us": dirty_limit.ring_full_time_us(w),
        "exact_queries_in_postcopy": w.exact_queries_in_postcopy,
        "package_bytes": w.package_bytes,
        "vfio_transferred_bytes": sum(h["data"] for h in w.handlers),
        "handler_sent_bytes": tuple(h["sent"] for h in w.handlers),
        "file_bytes": w.file_bytes,
        "file_pages": len(w.file_pages),
        "file_rewritten_pages": w.file_rewritten_pages,
        "snapshot_buffer_bytes": w.snapshot_buffer_bytes,
        "released_pages": w.released_pages,
    }


def xbzrle_counters(w: World) -> dict[str, Any]:
    """Return the fields of query-migrate's xbzrle-cache; none while xbzrle is off."""
    if w.xbzrle is None:
        return {}
    return {
        "xbzrle_cache_size_bytes": w.xbzrle.cache_pages * PAGE_BYTES,
        "xbzrle_bytes": w.xbzrle.encoded_bytes,
        "xbzrle_pages": w.xbzrle.hits,
        "xbzrle_cache_miss": w.xbzrle.misses,
        "xbzrle_cache_miss_rate": w.xbzrle.miss_rate,
        "xbzrle_encoding_rate": w.xbzrle.encoding_rate,
        "xbzrle_overflow": w.xbzrle.overflows,
    }
