"""A busy host: how much longer the processors of source and destination take for everything."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from migkit.errors import InputError
from migkit.host.landing_costs import LandingCosts
from migkit.host.multifd_costs import MultifdCosts
from migkit.host.profile import HostProfile
from migkit.records import check_numbers

__all__ = ["Contention"]

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
)
"""Costs of the host profile that the source's processors pay."""

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
        costs: dict[str, Any] = {}
        for names, percent in (
            (SOURCE_COSTS, self.source_percent),
            (DESTINATION_COSTS, self.destination_percent),
        ):
            costs |= {name: getattr(host, name) * percent // 100 for name in names}
        landing = {
            name: value * self.destination_percent // 100
            for name, value in dataclasses.asdict(host.landing).items()
        }
        return dataclasses.replace(
            host,
            **costs,
            multifd=self._on_multifd(host.multifd),
            landing=LandingCosts(**landing),
        )

    def _on_multifd(self, costs: MultifdCosts) -> MultifdCosts:
        names = [item.name for item in dataclasses.fields(costs) if item.type == "int"]
        stretched = {
            name: getattr(costs, name) * self._percent_of(name) // 100
            for name in names
            if name.endswith(("_ns", "_ps")) or name == "compress_percent"
        }
        return dataclasses.replace(costs, **stretched)

    def _percent_of(self, name: str) -> int:
        there = name in DESTINATION_COSTS
        return self.destination_percent if there else self.source_percent
