"""From a finished world to the recording that Python reads."""

from libc.stdint cimport int64_t

import numpy as np

from migkit._engine cimport dirty_limit
from migkit._engine.bitmap cimport count
from migkit._engine.blocktime cimport account
from migkit._engine.recorder cimport Table
from migkit._engine.types cimport (
    PAGE_BYTES, RUN_STATE_INMIGRATE, STATE_COMPLETED,
)
from migkit._engine.world cimport World

from migkit.schema import RECORDING, RUN_STATES, STATES


def recording(World w not None, plan):
    """Return the recording of a finished run; see :mod:`migkit.results`."""
    events = w.events.to_array()
    return {
        "iterations": columns("iterations", w.iterations),
        "rounds": columns("rounds", w.rounds),
        "windows": columns("windows", w.windows),
        "faults": columns("faults", w.faults),
        "commands": columns("commands", w.commands),
        "sections": columns("sections", w.sections),
        "events": events[np.argsort(events[:, 0], kind="stable")],
        "counters": counters(w),
        "handlers": ("ram", *(item["name"] for item in plan.iterables)),
        "ram_blocks": tuple(plan.block_names),
        "outcome": STATES[w.state],
        "destination_state": STATES[w.destination_state],
        "blocktime": account(&w.incoming.blocktime) if plan.postcopy.blocktime else None,
        "run_states": (RUN_STATES[w.sides.source], RUN_STATES[destination_runs(w)]),
        "iterables_arrive_ns": w.sides.iterables_arrive_ns,
        "devices_arrive_ns": w.sides.devices_arrive_ns,
        "held_segment_ns": w.sides.held_ns,
        "stream_arrived_ns": stream_arrived_ns(w),
        "destination_runs_ns": w.destination_runs_ns,
    }


cdef int64_t stream_arrived_ns(World w):
    """Return when precopy's last byte reached the destination, or -1."""
    return w.sides.whole_stream_ns - w.host.load_ns if w.sides.whole_stream_ns >= 0 else -1


cdef int64_t destination_runs(World w):
    """Return the destination's run state; in postcopy it runs from a moment on."""
    if w.sides.destination == RUN_STATE_INMIGRATE and 0 <= w.destination_runs_ns <= w.t:
        return w.sides.before
    return w.sides.destination


cdef dict columns(str name, Table table):
    """Turn a table into named columns."""
    cells = table.to_array()
    return {
        column: np.ascontiguousarray(cells[:, index])
        for index, column in enumerate(RECORDING[name])
    }


cdef dict file_counters(World w):
    """Return what a file as target holds, and what was held back for its end."""
    return {
        "file_bytes": w.target.file_bytes,
        "file_pages": count(w.target.file_bmap, w.words) if w.target.mapped_ram else 0,
        "file_rewritten_pages": w.target.rewritten_pages,
        "snapshot_buffer_bytes": w.snapshot.buffer_bytes,
    }


cdef dict counters(World w):
    """Return the fields of query-migrate at the end of the run."""
    completed = w.state == STATE_COMPLETED
    return xbzrle_counters(w) | file_counters(w) | {
        "status": STATES[w.state],
        "total_time_ms": w.total_time_ms,
        "setup_time_ms": w.setup_time_ms,
        "downtime_ms": w.downtime_ms,
        "expected_downtime_ms": w.expected_downtime_ms,
        "transferred_bytes": w.transferred,
        "remaining_bytes": 0 if completed else w.dirty_pages * PAGE_BYTES,
        "total_bytes": w.shared.migrated_pages * PAGE_BYTES,
        "duplicate_pages": w.zero_pages,
        "normal_pages": w.normal_pages,
        "mbps": w.mbps,
        "dirty_sync_count": w.dirty_sync_count,
        "postcopy_requests": w.postcopy_requests,
        "multifd_bytes": w.multifd.bytes if w.multifd != NULL else 0,
        "dirty_sync_missed_zero_copy": w.multifd.missed_zero_copy if w.multifd != NULL else 0,
        "pages_per_second": int(w.pages_per_second),
        "dirty_pages_rate_per_s": 0 if completed else w.dirty_pages_rate,
        "precopy_bytes": w.precopy_bytes,
        "downtime_bytes": w.downtime_bytes,
        "postcopy_bytes": w.postcopy_bytes,
        "cpu_throttle_percentage": w.throttle_percentage,
        "dirty_limit_throttle_time_per_round_us": (
            dirty_limit.throttle_time_us(w) if w.dirty_limit.in_service else None
        ),
        "dirty_limit_ring_full_time_us": (
            dirty_limit.ring_full_time_us(w) if w.dirty_limit.in_service else None
        ),
        "exact_queries_in_postcopy": w.exact_queries_in_postcopy,
        "package_bytes": w.package_bytes,
        "vfio_transferred_bytes": sum(w.handlers[i].data for i in range(w.handler_count)),
        "released_pages": w.release.switch_pages + w.release.sent_pages,
        "handler_sent_bytes": tuple(w.handlers[i].sent for i in range(w.handler_count)),
    }


cdef dict xbzrle_counters(World w):
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
