"""Device by device: when each was saved and loaded, within what the checkpoints say.

The engine knows the devices' times together. Here they are told apart after the run: QEMU takes
its list in order, one after the other, so each begins where the one before ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from migkit.host.devices import Device, saved_order, with_plugged
from migkit.oracle.savevm import config_section_bytes
from migkit.parameters.capabilities import version_numbers
from migkit.plan.handlers import handler_fields

if TYPE_CHECKING:
    from migkit.host import HostProfile
    from migkit.host.landing_costs import LandingCosts
    from migkit.scenario import Scenario

__all__ = ["DeviceCosts", "DeviceTime"]

_APIC_FIRST_SINCE = (10, 2)
_IDLE_COMPLETES_SINCE = (10, 1)

Span = tuple[int, int]
"""Begin and end, nanoseconds after migrate."""


@dataclass(frozen=True)
class DeviceTime:
    """What one entry of QEMU's list took.

    Parameters
    ----------
    device : Device
        The entry.
    begin_ns, end_ns : int
        When, nanoseconds after migrate.
    iterable : bool
        Whether it is the entry's section among the iterables.
    """

    device: Device
    begin_ns: int
    end_ns: int
    iterable: bool = False

    def message(self, event: str) -> str:
        """Return the trace line's text: microseconds between two readings of the clock."""
        kind = "iterable" if self.iterable else "non-iterable"
        took_us = self.end_ns // 1000 - self.begin_ns // 1000
        name, instance = self.device.idstr, self.device.instance_id
        return f"{event} type={kind} idstr={name} instance_id={instance} downtime={took_us}"


@dataclass(frozen=True)
class DeviceCosts:
    """The list of a machine, in the order in which QEMU saves it, with each entry's share.

    Parameters
    ----------
    devices : tuple of Device
        In QEMU's order, without the early ones.
    full_shares, package_shares, load_shares : tuple of int
        Shares of saving with and without description, and of loading.
    full_ns, package_ns, package_load_ns : int
        What each takes for all of them, with contention; the package's from its arrival.
    tail_bytes : int
        What follows the devices in a precopy stream: its end and the JSON description.
    landing : LandingCosts
        What the destination's steps take, with contention.
    completes_idle : bool
        Whether an iterable with nothing to send completes too: since QEMU 10.1.
    """

    devices: tuple[Device, ...]
    full_shares: tuple[int, ...]
    package_shares: tuple[int, ...]
    load_shares: tuple[int, ...]
    full_ns: int
    package_ns: int
    package_load_ns: int
    tail_bytes: int
    landing: LandingCosts
    completes_idle: bool

    @classmethod
    def of(cls, scenario: Scenario) -> DeviceCosts:
        """Lay out the devices of a scenario.

        Parameters
        ----------
        scenario : Scenario
            What was simulated.

        Returns
        -------
        DeviceCosts
            Its devices; one for all where the host profile does not list them.
        """
        host = scenario.host
        own = _own(host)
        plugged = (*_handlers(scenario, own), *host.devices)
        version = version_numbers(scenario.qemu_version)
        ordered = saved_order(own, plugged, apic_first=version >= _APIC_FIRST_SINCE)
        devices = tuple(device for device in ordered if not device.early)
        busy = scenario.contention.on(with_plugged(host))

        def shares(cost: str, own_ns: int) -> tuple[int, ...]:
            return _shares(devices, set(own), cost, own_ns)

        return cls(
            devices=devices,
            full_shares=shares("full_save_ns", host.device_state_ns),
            package_shares=shares("save_ns", host.package_ns),
            load_shares=shares("load_ns", host.landing.device_load_ns),
            full_ns=busy.device_state_ns,
            package_ns=busy.package_ns,
            package_load_ns=busy.package_load_ns,
            tail_bytes=1 + busy.machine.vmdesc_bytes,
            landing=busy.landing,
            completes_idle=version >= _IDLE_COMPLETES_SINCE,
        )

    def saved(self, marks: Mapping[str, int], *, in_package: bool) -> list[DeviceTime]:
        """Tell when each device was saved.

        Parameters
        ----------
        marks : mapping
            The source's checkpoints to their first times.
        in_package : bool
            Whether they were saved into postcopy's package, just before its checkpoint.

        Returns
        -------
        list of DeviceTime
            In QEMU's order; none if the source did not get that far.
        """
        done_ns = marks.get("src-non-iterable-saved")
        if done_ns is None:
            return []
        if in_package:
            begin = done_ns - self.package_ns
            return self._times(begin, _edges(self.package_shares, self.package_ns))
        # A snapshot has no iterables to complete: it saves devices as soon as the guest stands.
        begin = marks.get("src-iterable-saved", marks["src-vm-stopped"])
        return self._times(begin, _edges(self.full_shares, self.full_ns))

    def loaded(self, recording: Mapping[str, Any], arrived_ns: int) -> list[DeviceTime]:
        """Tell when each device of a precopy stream was loaded, its wait for its bytes included.

        Parameters
        ----------
        recording : mapping
            With ``devices_arrive_ns``.
        arrived_ns : int
            When the whole stream had arrived.

        Returns
        -------
        list of DeviceTime
            In QEMU's order, those that wrote something.
        """
        first_ns = recording["devices_arrive_ns"]
        sizes = [device.bytes for device in self.devices]
        waits = _edges((*sizes, self.tail_bytes), arrived_ns - first_ns)
        loads = _edges(self.load_shares, self.landing.device_load_ns)
        edges = [wait + load for wait, load in zip(waits[:-1], loads, strict=True)]
        return [row for row in self._times(first_ns, edges) if row.device.bytes]

    def loaded_from_package(self, runs_ns: int) -> list[DeviceTime]:
        """Tell when each device of postcopy's package was loaded: just before the guest ran.

        Parameters
        ----------
        runs_ns : int
            When it did.

        Returns
        -------
        list of DeviceTime
            In QEMU's order, those that wrote something.
        """
        after_ns = self.landing.bh_ns + self.landing.postcopy_bh_ns
        span_ns = max(min(self.landing.device_load_ns, self.package_load_ns - after_ns), 0)
        begin = runs_ns - after_ns - span_ns
        rows = self._times(begin, _edges(self.load_shares, span_ns))
        return [row for row in rows if row.device.bytes]

    def completed(
        self, sections: Mapping[str, Span], done_ns: int, *, in_switch: bool
    ) -> list[DeviceTime]:
        """Tell what each iterable took to complete on the source.

        Parameters
        ----------
        sections : mapping
            Handler to begin and end of its last section.
        done_ns : int
            When all of them were complete.
        in_switch : bool
            Whether postcopy goes on with the others: then only those with a section are told.

        Returns
        -------
        list of DeviceTime
            In QEMU's order.
        """
        rows, last = [], min((begin for begin, _ in sections.values()), default=done_ns)
        for device in self.devices:
            told = device.idstr in sections or (self.completes_idle and not in_switch)
            if device.iterable and told:
                begin, last = sections.get(device.idstr, (last, last))
                rows.append(DeviceTime(device, begin, last, iterable=True))
        return rows

    def loaded_iterables(
        self, recording: Mapping[str, Any], sections: Mapping[str, Span]
    ) -> list[DeviceTime]:
        """Tell what the destination took for each of those sections, in the source's proportion.

        Parameters
        ----------
        recording : mapping
            With ``iterables_arrive_ns`` and ``devices_arrive_ns``.
        sections : mapping
            Handler to begin and end of its last section at the source.

        Returns
        -------
        list of DeviceTime
            In QEMU's order.
        """
        first_ns, last_ns = recording["iterables_arrive_ns"], recording["devices_arrive_ns"]
        names = [d for d in self.devices if d.iterable and d.idstr in sections]
        took = [sections[d.idstr][1] - sections[d.idstr][0] for d in names]
        edges = [first_ns + edge for edge in _edges(took, last_ns - first_ns)] if names else []
        spans = pairwise((first_ns, *edges))
        return [DeviceTime(d, *span, iterable=True) for d, span in zip(names, spans, strict=True)]

    def _times(self, begin: int, edges: Sequence[int]) -> list[DeviceTime]:
        spans = pairwise((begin, *(begin + edge for edge in edges)))
        return [
            DeviceTime(device, *span) for device, span in zip(self.devices, spans, strict=True)
        ]


def _own(host: HostProfile) -> tuple[Device, ...]:
    """Return the machine's own devices: one for all, after RAM, where they are not listed."""
    if host.machine.devices:
        return host.machine.devices
    whole = Device("devices", host.machine.device_state_bytes, save_ns=1, load_ns=1)
    return Device("ram", 0, iterable=True), whole


def _handlers(scenario: Scenario, own: Sequence[Device]) -> list[Device]:
    """Return the scenario's iterables; a VFIO device's config space is saved with the devices."""
    known = {device.idstr for device in own}
    return [
        Device(item["name"], config_section_bytes(item), iterable=True)
        for item in handler_fields(scenario.iterables)
        if item["name"] not in known
    ]


def _shares(
    devices: Sequence[Device], own: set[Device], cost: str, own_ns: int
) -> tuple[int, ...]:
    """Weigh devices: the machine's own split their sum, a plugged one has what it says."""
    costs = [int(getattr(device, cost)) for device in devices]
    total = sum(value for device, value in zip(devices, costs, strict=True) if device in own)
    if not total:  # the list says nothing of it: those that write something share alike
        costs = [
            int(device.bytes > 0) if device in own else value
            for device, value in zip(devices, costs, strict=True)
        ]
        total = sum(value for device, value in zip(devices, costs, strict=True) if device in own)
    return tuple(
        value * (own_ns if device in own else max(total, 1))
        for device, value in zip(devices, costs, strict=True)
    )


def _edges(shares: Sequence[int], span_ns: int) -> list[int]:
    """Split a span in proportion, rounded down; the last edge is its end.

    Shares that are all 0 leave it to the last.
    """
    total = sum(shares)
    if not total:
        return [0] * (len(shares) - 1) + [span_ns]
    return [done * span_ns // total for done in accumulate(shares)]
