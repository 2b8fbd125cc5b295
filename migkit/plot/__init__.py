"""Plots: each takes an ``ax``, draws from a run or a frame, and returns the axes.

For each picture there is a function of the same subject that returns its data as a frame
(`tail` and `tail_frame`), so that what is drawn can be tabulated and tested.
"""

from __future__ import annotations

from migkit.plot.cost import cost, cost_frame, guest_loss_s
from migkit.plot.decision_map import decision_frame, decision_map
from migkit.plot.dirtying import dirtying_frame
from migkit.plot.dumbbell import dumbbell, pages_inside, save_complete_frame
from migkit.plot.faults import arrivals, arrivals_frame, fault_latency, latency_frame
from migkit.plot.lanes import lanes, state_spans, vm_spans
from migkit.plot.parting import (
    mark_parting,
    pending_of_both,
    window_bytes,
    window_frame,
    window_times,
)
from migkit.plot.rounds import pending_frame, rounds, rounds_frame, windows
from migkit.plot.stacked_bytes import bytes_frame, stacked_bytes
from migkit.plot.staircase import sending_bandwidth, staircase, staircase_frame
from migkit.plot.tail import tail, tail_frame, tail_top_mib

__all__ = [
    "arrivals",
    "arrivals_frame",
    "bytes_frame",
    "cost",
    "cost_frame",
    "decision_frame",
    "decision_map",
    "dirtying_frame",
    "dumbbell",
    "fault_latency",
    "guest_loss_s",
    "lanes",
    "latency_frame",
    "mark_parting",
    "pages_inside",
    "pending_frame",
    "pending_of_both",
    "rounds",
    "rounds_frame",
    "save_complete_frame",
    "sending_bandwidth",
    "stacked_bytes",
    "staircase",
    "staircase_frame",
    "state_spans",
    "tail",
    "tail_frame",
    "tail_top_mib",
    "vm_spans",
    "window_bytes",
    "window_frame",
    "window_times",
    "windows",
]
