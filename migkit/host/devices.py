"""Devices one by one: what each saves at the switchover, and in which order QEMU saves them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from migkit.errors import HostProfileError, did_you_mean
from migkit.records import check_numbers, record

if TYPE_CHECKING:
    from migkit.host.profile import HostProfile

__all__ = ["PRIORITIES", "Device", "read_devices", "saved_order", "with_plugged"]

PRIORITIES: Final = (
    "low",
    "default",
    "iommu",
    "pci-bus",
    "virtio-mem",
    "apic",
    "gicv3-its",
    "gicv3",
)
"""QEMU's migration priorities, lowest first (include/migration/vmstate.h)."""

_FRAME_BYTES = 19  # header and footer of SECTION_FULL, without the name
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Device:
    """One entry of QEMU's list of what a machine saves (migration/savevm.c, SaveStateEntry).

    Parameters
    ----------
    idstr : str
        Its name in the stream, 1..255 bytes.
    bytes : int
        Its whole SECTION_FULL; 0 if it writes none: an iterable, or state that is not needed.
    save_ns, describe_ns : int
        Saving its state; telling of it in the stream's JSON, which a postcopy package lacks.
    load_ns : int
        Loading it at the destination.
    instance_id : int
        Tells devices of one name apart.
    vmdesc_bytes : int
        Its part of the JSON; 0 for the machine's own, which `MachineProfile.vmdesc_bytes` has.
    priority : str
        One of `PRIORITIES`; higher ones are saved first.
    iterable : bool
        It has a section among the iterables as well.
    early : bool
        It is saved at setup, before the guest stops: virtio-mem (``early_setup``).
    machine_done : bool
        It joins the list when the machine is complete, after every plugged device.

    Raises
    ------
    HostProfileError
        If a value lies outside its range.

    Examples
    --------
    >>> Device("0000:00:02.0/virtio-net", bytes=1200, save_ns=40_000, load_ns=90_000).priority
    'default'
    """

    idstr: str
    bytes: int
    save_ns: int = 0
    describe_ns: int = 0
    load_ns: int = 0
    instance_id: int = 0
    vmdesc_bytes: int = 0
    priority: str = "default"
    iterable: bool = False
    early: bool = False
    machine_done: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        named = isinstance(self.idstr, str) and 0 < len(self.idstr.encode()) <= _LONGEST_NAME
        if not named:
            raise HostProfileError.of(
                f"device {self.idstr!r}", "allowed a name of 1..255 bytes", "give such a name"
            )
        check_numbers(f"device {self.idstr}", self, HostProfileError)
        if self.priority not in PRIORITIES:
            raise HostProfileError.of(
                f"device {self.idstr}: priority {self.priority!r}",
                f"allowed {', '.join(PRIORITIES)}",
                did_you_mean(str(self.priority), PRIORITIES),
            )
        for name in ("iterable", "early", "machine_done"):
            if not isinstance(getattr(self, name), bool):
                raise HostProfileError.of(
                    f"device {self.idstr}: {name} {getattr(self, name)!r}",
                    "allowed true or false",
                    "give one of them",
                )

    @property
    def full_save_ns(self) -> int:
        """Saving its state and its description."""
        return self.save_ns + self.describe_ns

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, as plain values."""
        fields = dataclasses.fields(self)
        return {
            item.name: getattr(self, item.name)
            for item in fields
            if getattr(self, item.name) != item.default
        }


def read_devices(values: Any, what: str) -> tuple[Device, ...]:
    """Read a list of devices.

    Parameters
    ----------
    values : sequence of mapping or Device
        Each device's fields by name.
    what : str
        What the list is; for the message.

    Returns
    -------
    tuple of Device
        In the order given.

    Raises
    ------
    HostProfileError
        If it is no list, a device is not valid, or two have the same name and instance.
    """
    if not isinstance(values, list | tuple):
        raise HostProfileError.of(f"{what} {values!r}", "not a list", "give a list of devices")
    read = tuple(
        item if isinstance(item, Device) else record(Device, item, what, HostProfileError)
        for item in values
    )
    for device in read:
        least = _FRAME_BYTES + len(device.idstr.encode())
        if 0 < device.bytes < least:
            raise HostProfileError.of(
                f"device {device.idstr}: bytes {device.bytes}",
                f"allowed 0, or {least} or more: the frame of its section",
                "give the size of the whole section",
            )
    check_names(read, what)
    return read


def check_names(devices: Iterable[Device], what: str) -> None:
    """Refuse two devices of the same name and instance.

    Parameters
    ----------
    devices : iterable of Device
        The devices.
    what : str
        What the list is; for the message.

    Raises
    ------
    HostProfileError
        At the second of the two.
    """
    seen: set[tuple[str, int]] = set()
    for device in devices:
        key = device.idstr, device.instance_id
        if key in seen:
            raise HostProfileError.of(
                f"{what}: {device.idstr} instance_id {device.instance_id}",
                "there twice",
                "give the second another instance_id",
            )
        seen.add(key)


def saved_order(
    own: Iterable[Device], plugged: Iterable[Device], *, apic_first: bool
) -> tuple[Device, ...]:
    """Sort devices as QEMU saves them: by priority, then as they joined the list.

    Parameters
    ----------
    own : iterable of Device
        The machine's own, as they joined.
    plugged : iterable of Device
        Those plugged into it.
    apic_first : bool
        Whether ``apic`` is a priority of its own: in QEMU 10.2, not in 10.0.

    Returns
    -------
    tuple of Device
        All of them, early ones too.

    Examples
    --------
    >>> own = [Device("cpu", 1900), Device("apic", 204, priority="apic"),
    ...        Device("globalstate", 134, machine_done=True)]
    >>> [d.idstr for d in saved_order(own, [Device("nic", 1200)], apic_first=True)]
    ['apic', 'cpu', 'nic', 'globalstate']
    >>> [d.idstr for d in saved_order(own, [], apic_first=False)]
    ['cpu', 'apic', 'globalstate']
    """

    def rank(device: Device) -> int:
        known = "default" if device.priority == "apic" and not apic_first else device.priority
        return -PRIORITIES.index(known)

    own = tuple(own)
    joined = [device for device in own if not device.machine_done]
    done = [device for device in own if device.machine_done]
    return tuple(sorted([*joined, *plugged, *done], key=rank))


def with_plugged(host: HostProfile) -> HostProfile:
    """Put what the plugged devices cost into the machine's totals.

    Parameters
    ----------
    host : HostProfile
        The machine with its list ``devices``.

    Returns
    -------
    HostProfile
        The same totals without the lists: what a plan needs to know.
    """
    if not host.devices:
        return host
    late = [device for device in host.devices if not device.early]
    early = [device for device in host.devices if device.early]
    load_ns = sum(device.load_ns for device in late)
    machine = dataclasses.replace(
        host.machine,
        devices=(),
        device_state_bytes=host.machine.device_state_bytes + sum(d.bytes for d in late),
        vmdesc_bytes=host.machine.vmdesc_bytes + sum(d.vmdesc_bytes for d in host.devices),
        early_device_state_bytes=host.machine.early_device_state_bytes
        + sum(device.bytes for device in early),
    )
    return dataclasses.replace(
        host,
        devices=(),
        machine=machine,
        setup_ns=host.setup_ns + sum(device.full_save_ns for device in early),
        device_state_ns=host.device_state_ns + sum(device.full_save_ns for device in late),
        package_ns=host.package_ns + sum(device.save_ns for device in late),
        load_ns=host.load_ns + load_ns,
        package_load_ns=host.package_load_ns + load_ns,
        landing=dataclasses.replace(
            host.landing, device_load_ns=host.landing.device_load_ns + load_ns
        ),
    )
