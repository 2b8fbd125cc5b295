"""What depends on the machine: costs of pages, syncs and stops, device state, and the link.

All constants of a machine live in one JSON file in ``migkit/hosts``, with the captures they were
fitted on. Nothing else in migkit may add time to a simulated migration.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from migkit.errors import HostProfileError, did_you_mean
from migkit.host.devices import Device, check_names, read_devices
from migkit.host.landing_costs import LandingCosts
from migkit.host.logging_costs import LoggingCosts
from migkit.host.machine import MachineProfile
from migkit.host.multifd_costs import MultifdCosts
from migkit.host.noise import Noise
from migkit.host.postcopy_costs import PostcopyCosts
from migkit.host.snapshot_costs import ReleaseCosts, SnapshotCosts
from migkit.host.storage import Storage
from migkit.host.xbzrle_costs import XbzrleCosts
from migkit.network.link import Link
from migkit.records import check_numbers, record

__all__ = ["DEFAULT_HOST", "HostProfile", "MachineProfile", "host_names"]

DEFAULT_HOST = "captures"
"""Name of the host profile used when none is given."""


_WITH_DEFAULTS: dict[str, type] = {
    "postcopy": PostcopyCosts,
    "dirty_logging": LoggingCosts,
    "multifd": MultifdCosts,
    "xbzrle": XbzrleCosts,
    "storage": Storage,
    "snapshot": SnapshotCosts,
    "release": ReleaseCosts,
    "landing": LandingCosts,
}
"""Costs that a profile's file may leave out."""


@dataclass(frozen=True)
class HostProfile:
    """Costs of one machine, in nanoseconds unless the name says otherwise.

    Parameters
    ----------
    name : str
        Name of the profile.
    setup_ns, thread_start_ns : int
        The first sync to ``active``; ``setup`` to the stream header.
    clock_phase_ns : int
        Fraction of a millisecond that QEMU's millisecond clock shows at time 0.
    throttle_timer_ns : int
        Period of auto-converge's own sync.
    pass_ns, section_ns, sweep_ns, write_ns : int
        One pass of the loop; one section's frame; a sweep that finds nothing; one write.
    normal_page_ns, sparse_page_ns, zero_page_ns : int
        Source: one page tested and queued, in the first sweep; in a later one, where the dirty
        pages lie scattered; one page found zero.
    destination_page_ns, first_touch_page_ns, destination_zero_page_ns : int
        Destination: a page it had before; one it had not; a zero page.
    sync_fixed_ns, sync_first_ns : int
        One dirty-bitmap sync; what the first exact one takes longer.
    sync_page_ps : int
        Per page of the guest in a sync, picoseconds.
    limiter_wake_ns : int
        How late the rate limiter wakes up.
    vm_stop_ns, device_state_ns : int
        Stopping the vCPUs; saving all devices.
    discard_command_ns, package_ns, package_load_ns : int
        Postcopy: one discard command; building the package; loading it and starting the guest.
    load_ns, postcopy_end_ns : int
        Destination's end of the stream to its SHUT, in precopy and in postcopy.
    guest_write_ns : int
        One store of the guest to a page that is logged or fresh.
    fault_ns, place_page_ns, vcpu_wake_ns : int
        Postcopy: fault to request; placing a page; waking the vCPU up.
    preempt_channel_ns : int
        Postcopy with preempt: opening the second channel, without the link's round trip.
    relay_percent : int
        What a relay that sleeps between pieces carries of the rate it is told, percent.
    machine : MachineProfile
        Sizes of the machine type.
    link : Link
        The machine's own link.
    multifd : MultifdCosts
        Costs of multifd's threads.
    fitted_on : tuple of str
        Captures the costs were fitted on.
    method : str
        How.
    postcopy : PostcopyCosts
        What postcopy costs beyond that.
    noise : Noise
        How costs vary between runs; nothing unless replicates are asked for.
    dirty_logging : LoggingCosts
        What keeping and fetching the dirty log costs.
    xbzrle : XbzrleCosts
        What the page cache costs.
    storage : Storage
        Writing into a file.
    snapshot : SnapshotCosts
        Following the guest's writes for background-snapshot.
    release : ReleaseCosts
        Giving memory back for release-ram.
    landing : LandingCosts
        The destination's steps to a running guest.
    devices : tuple of Device
        Devices plugged into the machine: their bytes and times are added to its own.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole.

    Examples
    --------
    >>> HostProfile.load("captures").machine.machine_name
    'pc-i440fx-10.2'
    """

    name: str
    setup_ns: int
    thread_start_ns: int
    clock_phase_ns: int
    throttle_timer_ns: int
    pass_ns: int
    section_ns: int
    sweep_ns: int
    write_ns: int
    normal_page_ns: int
    sparse_page_ns: int
    zero_page_ns: int
    destination_page_ns: int
    first_touch_page_ns: int
    destination_zero_page_ns: int
    sync_fixed_ns: int
    sync_first_ns: int
    sync_page_ps: int
    limiter_wake_ns: int
    vm_stop_ns: int
    device_state_ns: int
    discard_command_ns: int
    package_ns: int
    package_load_ns: int
    load_ns: int
    postcopy_end_ns: int
    guest_write_ns: int
    fault_ns: int
    place_page_ns: int
    vcpu_wake_ns: int
    preempt_channel_ns: int
    relay_percent: int
    machine: MachineProfile
    link: Link
    fitted_on: tuple[str, ...] = ()
    method: str = ""
    postcopy: PostcopyCosts = field(default_factory=PostcopyCosts)
    noise: Noise = field(default_factory=Noise)
    dirty_logging: LoggingCosts = field(default_factory=LoggingCosts)
    multifd: MultifdCosts = field(default_factory=MultifdCosts)
    xbzrle: XbzrleCosts = field(default_factory=XbzrleCosts)
    storage: Storage = field(default_factory=Storage)
    snapshot: SnapshotCosts = field(default_factory=SnapshotCosts)
    release: ReleaseCosts = field(default_factory=ReleaseCosts)
    landing: LandingCosts = field(default_factory=LandingCosts)
    devices: tuple[Device, ...] = ()

    def __post_init__(self) -> None:
        """Check every cost."""
        object.__setattr__(self, "fitted_on", tuple(self.fitted_on))
        check_numbers(f"host profile {self.name}", self, HostProfileError)
        object.__setattr__(self, "devices", read_devices(self.devices, "devices"))
        check_names((*self.machine.devices, *self.devices), "devices")

    @classmethod
    def load(cls, name: str | Path = DEFAULT_HOST) -> HostProfile:
        """Read a host profile.

        Parameters
        ----------
        name : str or Path
            Name of a profile that ships with migkit, or the path of a JSON file.

        Returns
        -------
        HostProfile
            The profile.

        Raises
        ------
        HostProfileError
            If there is no such profile, or the file is not one.
        """
        if isinstance(name, str) and name in host_names():
            text = (_shipped() / f"{name}.json").read_text(encoding="utf-8")
        elif not isinstance(name, (str, Path)):
            raise HostProfileError.of(
                f"host profile {name!r}",
                f"a {type(name).__name__}, not a name or a path",
                did_you_mean("", host_names()),
            )
        elif Path(name).suffix == ".json" and Path(name).is_file():
            text = Path(name).read_text(encoding="utf-8")
        else:
            raise HostProfileError.of(
                f"host profile {name}", "not found", did_you_mean(str(name), host_names())
            )
        try:
            return cls.from_dict(json.loads(text))
        except (ValueError, TypeError) as error:
            raise HostProfileError.of(
                f"host profile {name}", f"not a profile: {error}", "mend the file"
            ) from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HostProfile:
        """Make a profile from what `to_dict` gave.

        Parameters
        ----------
        values : mapping
            All fields by name.

        Returns
        -------
        HostProfile
            The profile.

        Raises
        ------
        HostProfileError
            If a field is missing or unknown.
        """
        machine = MachineProfile.from_dict(values.get("machine"))
        link = record(Link, values.get("link"), "link", HostProfileError)
        noise = Noise.from_dict(values.get("noise", {}))
        parts = {**values, "machine": machine, "link": link, "noise": noise}
        for name, kind in _WITH_DEFAULTS.items():
            parts[name] = record(kind, values.get(name, {}), name, HostProfileError)
        return record(cls, parts, "host profile", HostProfileError)

    def to_dict(self) -> dict[str, Any]:
        """Write all fields as plain values.

        Returns
        -------
        dict
            What `from_dict` reads.
        """
        told = dataclasses.asdict(self)
        for owner, values in ((self.machine, told["machine"]), (self, told)):
            values["devices"] = [device.to_dict() for device in owner.devices]
        return _plain(told)


def _plain(value: Any) -> Any:
    """Turn tuples into lists, all the way down: what JSON gives back."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def host_names() -> list[str]:
    """Name the host profiles that ship with migkit.

    Returns
    -------
    list of str
        Sorted names.
    """
    files = (item.name for item in _shipped().iterdir())
    return sorted(file.removesuffix(".json") for file in files if file.endswith(".json"))


def _shipped() -> Any:
    return resources.files("migkit") / "hosts"
