"""What a migration that migkit sent gives: the frames of every migration, and requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from migkit.results import Migration
from migkit.results.summaries import summary_of

from .outgoing import Outgoing
from .replies import Request

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sent", "sent_of"]

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
_COUNTS = (
    "normal_pages",
    "duplicate_pages",
    "precopy_bytes",
    "downtime_bytes",
    "postcopy_bytes",
    "multifd_bytes",
    "transferred_bytes",
)


@dataclass(frozen=True, eq=False, repr=False)
class Sent(Migration):
    """A migration of a saved guest that migkit sent.

    Parameters
    ----------
    asked : tuple of Request
        Requests of the destination, in the order in which they came.
    error : str
        Why it failed; empty where it did not.
    pages_in_complete : int
        Pages that ``save_complete`` of RAM sent.
    memory : array of uint8, optional
        All blocks as they were at the end, where a thread really wrote to them.
    released_pages : int
        Pages whose memory was given back: release-ram.
    throttled : tuple of (int, int)
        Steps of auto-converge: nanoseconds since the migration was asked for, and the percentage
        from then on.
    """

    asked: tuple[Request, ...] = ()
    error: str = ""
    pages_in_complete: int = 0
    memory: npt.NDArray[np.uint8] | None = None
    released_pages: int = 0
    throttled: tuple[tuple[int, int], ...] = ()

    @property
    def throttling(self) -> pd.DataFrame:
        """One row a step of auto-converge: ``t_ns`` and ``cpu_throttle_percentage``."""
        import pandas as pd

        columns = ["t_ns", "cpu_throttle_percentage"]
        return pd.DataFrame(list(self.throttled), columns=columns, dtype="int64")

    @property
    def requests(self) -> pd.DataFrame:
        """One row a request of the destination.

        ``t_ns``, ``block``, ``start``, ``length`` (bytes), ``pages`` that were sent for it, and
        ``service_us`` until the system had them (missing where they were on their way already).
        """
        import pandas as pd

        frame = pd.DataFrame(
            {
                "t_ns": [request.t_ns for request in self.asked],
                "block": [request.block for request in self.asked],
                "start": [request.start for request in self.asked],
                "length": [request.length for request in self.asked],
                "pages": [request.pages for request in self.asked],
                "service_us": [_service_us(request) for request in self.asked],
            }
        )
        return frame.astype({"block": "str", "service_us": "Float64"})

    def report(self) -> dict[str, Any]:
        """Return what happened as plain values, for JSON.

        Returns
        -------
        dict
            ``outcome``, ``error``, ``qemu_counts`` by QEMU's definitions, ``pages_in_complete``,
            ``released_pages``, ``rounds`` (syncs of the dirty bitmap), ``total_time_ms``,
            ``downtime_ms``, ``bytes_per_s``, ``xbzrle_cache`` (QEMU's; None without xbzrle),
            ``cpu_throttle_percentage`` (pairs of milliseconds and percentage), ``requests``
            (asked, served, pages) and ``service_latency_us`` (None where nothing was served).
        """
        counters, frame = self.counters, self.requests
        served = frame["service_us"].dropna()
        total_ms = counters.get("total_time_ms", 0)
        latency = {
            name: round(float(served.quantile(share)), 1) if len(served) else None
            for name, share in _QUANTILES.items()
        }
        return {
            "outcome": self.outcome,
            "error": self.error,
            "qemu_counts": {name: counters.get(name) for name in _COUNTS},
            "pages_in_complete": self.pages_in_complete,
            "released_pages": self.released_pages,
            "rounds": counters.get("dirty_sync_count"),
            "total_time_ms": counters.get("total_time_ms"),
            "downtime_ms": counters.get("downtime_ms"),
            "bytes_per_s": round(1000 * counters["transferred_bytes"] / total_ms)
            if total_ms
            else None,
            "xbzrle_cache": self.summary.get("xbzrle-cache"),
            "cpu_throttle_percentage": [[t // 1_000_000, now] for t, now in self.throttled],
            "requests": {
                "asked": len(frame),
                "served": len(served),
                "pages": int(frame["pages"].sum()),
            },
            "service_latency_us": latency,
        }


def _service_us(request: Request) -> float | None:
    return None if request.served_ns < 0 else (request.served_ns - request.t_ns) / 1000


def sent_of(m: Outgoing, name: str, *, keep_memory: bool = False, **facts: Any) -> Sent:
    """Make the result of a migration that is over."""
    counters = _counters(m)
    made = Migration.from_logs({"source": m.trail.log()}, name, summary_of(counters), **facts)
    return Sent(
        name=made.name,
        kind="recorded",
        outcome=m.state,
        destination_state="unknown",
        source=made.source,
        record={**made.record, "counters": counters},
        asked=tuple(m.replies.requests) if m.replies is not None else (),
        error=str(m.error or ""),
        pages_in_complete=m.counted.pages_in_complete,
        memory=m.image.memory if keep_memory else None,
        released_pages=m.counted.released_pages,
        throttled=tuple(m.throttled),
    )


def _counters(m: Outgoing) -> dict[str, Any]:
    """Return the counters by our names, with units: `migkit.schema.SUMMARY`."""
    counted, over = m.counted, m.state == "completed"
    return {
        "status": m.state,
        "setup_time_ms": counted.setup_ms,
        "total_time_ms": counted.total_ms or m.trail.now_ns() // 1_000_000,
        "downtime_ms": counted.downtime_ms,
        "expected_downtime_ms": counted.expected_downtime_ms,
        "transferred_bytes": counted.transferred,
        "total_bytes": len(m.image.memory),
        "remaining_bytes": 0 if over else m.pending_bytes,
        "duplicate_pages": counted.zero_pages,
        "normal_pages": counted.normal_pages,
        "normal_bytes": counted.normal_pages * m.image.page_size,
        "mbps": counted.mbps,
        "dirty_sync_count": counted.syncs,
        "postcopy_requests": counted.requests,
        "page_size_bytes": m.image.page_size,
        "multifd_bytes": counted.multifd_bytes,
        "pages_per_second": int(counted.pages_per_second),
        "dirty_pages_rate_per_s": 0 if over else counted.dirty_pages_rate,
        "precopy_bytes": counted.precopy_bytes,
        "downtime_bytes": counted.downtime_bytes,
        "postcopy_bytes": counted.postcopy_bytes,
        "cpu_throttle_percentage": 0 if over else m.guest.vcpu.percentage,
        **_limit_counters(m),
        **_cache_counters(m),
    }


def _cache_counters(m: Outgoing) -> dict[str, Any]:
    """Return what is told with xbzrle."""
    cache = m.xbzrle
    if cache is None:
        return {}
    return {
        "xbzrle_cache_size_bytes": cache.size_bytes,
        "xbzrle_bytes": cache.encoded_bytes,
        "xbzrle_pages": cache.pages,
        "xbzrle_cache_miss": cache.misses,
        "xbzrle_cache_miss_rate": cache.miss_rate,
        "xbzrle_encoding_rate": cache.encoding_rate,
        "xbzrle_overflow": cache.overflows,
    }


def _limit_counters(m: Outgoing) -> dict[str, int]:
    """Return what is told while a dirty limit holds; after the migration it still does."""
    ring = m.guest.vcpu.ring
    if ring is None:
        return {}
    return {
        "dirty_limit_throttle_time_per_round_us": ring.sleep_us,
        "dirty_limit_ring_full_time_us": ring.full_us,
    }
