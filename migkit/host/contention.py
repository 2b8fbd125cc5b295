"""A busy host: how much longer the processors of source and destination take for everything."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from migkit.errors import InputError
from migkit.host.profile import HostProfile
from migkit.records import check_numbers

__all__ = ["Contention"]


def _nested(group: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{group}.{name}" for name in names)


SOURCE_COSTS: tuple[str, ...] = (
    "setup_ns",
    "thread_start_ns",
    "pass_ns",
    "section_ns",
    "sweep_ns",
    "write_ns",
    "normal_page_ns",
    "sparse_page_ns",
    "zero_page_ns",
    "sync_fixed_ns",
    "sync_first_ns",
    "sync_page_ps",
    "limiter_wake_ns",
    "vm_stop_ns",
    "device_state_ns",
    "discard_command_ns",
    "package_ns",
    "preempt_channel_ns",
    *_nested(
        "multifd",
        *("open_ns", "open_channel_ns", "wake_ns", "queue_page_ns", "test_page_ns"),
        *("test_zero_page_ns", "packet_ns", "write_ns", "write_byte_ps", "zero_copy_byte_ps"),
        "compress_percent",
    ),
    *_nested("postcopy", "page_ns", "connect_ns"),
    *_nested("xbzrle", "first_copy_ns", "copy_ns", "hit_ns"),
    *_nested("storage", "write_ns", "byte_ps", "scattered_write_ns"),
    *_nested(
        "snapshot",
        *("populate_page_ps", "protect_ns", "protect_page_ps", "resume_ns", "poll_ns", "fault_ns"),
        *("unprotect_ns", "wake_ns"),
    ),
    *_nested("release", "page_ns", "range_ns"),
    *_nested(
        "dirty_logging",
        *("protection_fault_ns", "protect_page_ps", "log_call_ns", "kick_vcpu_ns"),
        "ring_full_exit_ns",
    ),
)
"""Costs of the host profile that the source's processors pay; a nested one as ``group.name``."""

DESTINATION_COSTS: tuple[str, ...] = (
    "destination_page_ns",
    "first_touch_page_ns",
    "destination_zero_page_ns",
    "package_load_ns",
    "load_ns",
    "postcopy_end_ns",
    "fault_ns",
    "place_page_ns",
    "vcpu_wake_ns",
    *_nested("multifd", "destination_page_ns", "first_touch_page_ns", "destination_zero_page_ns"),
    *_nested(
        "postcopy",
        *("place_zero_page_ns", "discard_range_ns", "listen_ns", "request_ns", "account_ns"),
        "urgent_place_ns",
    ),
    *_nested("xbzrle", "record_ns"),
    *_nested(
        "landing",
        *("device_load_ns", "bh_ns", "cpu_sync_ns", "announce_ns", "activate_ns", "start_ns"),
    ),
)
"""Costs that the destination's processors pay."""

_MOST_PERCENT = 100_000


@dataclass(frozen=True)
class Contention:
    """What a busy host or remote memory makes of the processors' costs, percent of their time.

    The guest's own program keeps its pace: its rate is the workload's. Timers, the link and
    ``guest_write_ns`` are not stretched.

    Parameters
    ----------
    source_percent, destination_percent : int
        100 is undisturbed, 200 takes twice as long; 1..100000.

    Raises
    ------
    InputError
        If a value lies outside its range.

    Examples
    --------
    >>> host = HostProfile.load()
    >>> slow = Contention(source_percent=150).on(host)
    >>> host.zero_page_ns, slow.zero_page_ns, slow.place_page_ns == host.place_page_ns
    (300, 450, True)
    """

    source_percent: int = 100
    destination_percent: int = 100

    def __post_init__(self) -> None:
        """Check both."""
        check_numbers("contention", self, InputError)
        for name in ("source_percent", "destination_percent"):
            value = getattr(self, name)
            if not 1 <= value <= _MOST_PERCENT:
                raise InputError.of(
                    f"contention: {name} {value}", "allowed 1..100000 %", "give 100 for none"
                )

    def on(self, host: HostProfile) -> HostProfile:
        """Stretch the costs of a host profile.

        Parameters
        ----------
        host : HostProfile
            The undisturbed machine.

        Returns
        -------
        HostProfile
            The same with longer costs, each rounded down.
        """
        if self == Contention():
            return host
        costs: dict[str, dict[str, int]] = {}
        for names, percent in (
            (SOURCE_COSTS, self.source_percent),
            (DESTINATION_COSTS, self.destination_percent),
        ):
            for written in names:
                group, _, name = written.rpartition(".")
                value = getattr(getattr(host, group) if group else host, name)
                costs.setdefault(group, {})[name] = value * percent // 100
        changed: dict[str, Any] = {}
        for group, values in costs.items():
            if group:
                changed[group] = dataclasses.replace(getattr(host, group), **values)
            else:
                changed |= values
        return dataclasses.replace(host, **changed)
