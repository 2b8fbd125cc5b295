"""Columns of the int64 tables that the engine and its oracle record, in order.

A recording is what a run leaves behind; :mod:`migkit.results` turns it into frames. Pages are
numbered through all RAM blocks; -1 stands for "none".
"""

from __future__ import annotations

from typing import Final

RECORDING: Final = {
    "iterations": (
        "t_ns",
        "state",
        "in_postcopy",
        "pending_estimate_bytes",
        "pending_exact_bytes",
        "threshold_size_bytes",
        "decision",
        "end_ns",
        "transferred_bytes",
        "normal_pages",
        "zero_pages",
    ),
    "rounds": (
        "t_ns",
        "end_ns",
        "reason",
        "new_dirty_pages",
        "period_dirty_pages",
        "remaining_pages",
        "transferred_bytes",
        "threshold_size_bytes",
        "normal_pages",
        "zero_pages",
        "dirty_pages_rate_per_s",
        "cpu_throttle_percentage",
    ),
    "windows": (
        "t_ns",
        "transferred_bytes",
        "time_spent_ms",
        "bandwidth_bytes_per_ms",
        "switchover_bandwidth_bytes_per_ms",
        "threshold_size_bytes",
    ),
    "commands": ("t_ns", "command", "to_destination", "reply"),
    "sections": ("t_ns", "end_ns", "pass", "handler", "bytes"),
    "faults": ("page", "fault_ns", "request_ns", "sent_ns", "placed_ns", "vcpu"),
}
"""Table to columns: a row a pass, a dirty-bitmap sync, a window, a command, a section, a fault."""
