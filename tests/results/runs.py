"""Runs that the tests of results share: small simulations, and logs written by hand."""

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from migkit.capture import read_trace_log
from migkit.results import Migration
from migkit.simulate import simulate


@cache
def simulated(**values: object) -> Migration:
    """Simulate a guest of 24 MiB at 16 MiB/s, unless told otherwise."""
    common = {"memory": "24MiB", "bandwidth": "16MiB/s", "observe_for": "5s", "rule": "after"}
    return simulate(**{**common, **values})


def logged(folder: Path, *lines: str, side: str = "source") -> Migration:
    """Read lines as a trace log."""
    path = folder / f"{side}.trace.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    return read_trace_log(path, side)


def at(milliseconds: float, message: str) -> str:
    """Give a message a time stamp, milliseconds after second 100."""
    microseconds = round(milliseconds * 1000)
    return f"9@{100 + microseconds // 1_000_000}.{microseconds % 1_000_000:06d}:{message}"


def column(frame: pd.DataFrame, name: str) -> list[Any]:
    """Return a column's values; None where one is unknown."""
    return [None if value is None or value != value else value for value in
            frame[name].astype("object").where(frame[name].notna(), None)]  # fmt: skip


PRECOPY = (
    at(0, "migrate_set_state new state setup"),
    at(1, "savevm_state_setup "),
    at(2, "migration_bitmap_sync_start "),
    at(3, "migration_bitmap_sync_end dirty_pages 0"),
    at(4, "migrate_set_state new state active"),
    at(5, "migration_thread_setup_complete "),
    at(5, "migrate_pending_estimate estimate pending size 409600 (pre = 409600 post=0)"),
    at(6, "savevm_section_start ram, section_id 1"),
    at(9, "savevm_section_end ram, section_id 1 -> 0"),
    at(105, "migrate_transferred transferred 300000 time_spent 100 bandwidth 3000 "
            "switchover_bw 0 max_size 90000"),
    at(1100, "migrate_pending_estimate estimate pending size 81920 (pre = 81920 post=0)"),
    at(1101, "migration_bitmap_sync_start "),
    at(1103, "migration_bitmap_sync_end dirty_pages 70"),
    at(1103, "migration_throttle "),
    at(1103, "cpu_throttle_set set guest CPU throttled by 20%"),
    at(1104, "migrate_pending_exact exact pending size 368640 (pre = 368640 post=0)"),
    at(1105, "savevm_section_start ram, section_id 1"),
    at(1109, "savevm_section_end ram, section_id 1 -> 1"),
    at(1200, "migrate_pending_estimate estimate pending size 0 (pre = 0 post=0)"),
    at(1201, "migration_bitmap_sync_start "),
    at(1202, "migration_bitmap_sync_end dirty_pages 80"),
    at(1203, "migrate_pending_exact exact pending size 40960 (pre = 40960 post=0)"),
    at(1203, "migration_thread_low_pending 40960"),
    at(1204, "migration_completion_vm_stop ret 0"),
    at(1205, "savevm_section_start ram, section_id 1"),
    at(1205, "ram_save_complete dirty=10, done=0"),
    at(1205, "migration_bitmap_sync_start "),
    at(1206, "migration_bitmap_sync_end dirty_pages 83"),
    at(1209, "ram_save_complete dirty=0, done=1"),
    at(1209, "savevm_section_end ram, section_id 1 -> 0"),
    at(1215, "migrate_set_state new state completed"),
)  # fmt: skip
"""A precopy migration: setup, one exact sync that closes the first period, one more, the final."""
