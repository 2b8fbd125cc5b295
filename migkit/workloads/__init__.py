"""What the guest does to its memory while it moves."""

from migkit.workloads.patterns import (
    GENERATORS,
    HotCold,
    Idle,
    Sequential,
    Uniform,
    Workload,
    Zipf,
)

__all__ = ["GENERATORS", "HotCold", "Idle", "Sequential", "Uniform", "Workload", "Zipf"]
