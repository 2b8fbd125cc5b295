"""What belongs to QEMU's machine type: its name in the stream, and what its devices save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migkit.errors import HostProfileError
from migkit.host.devices import Device, read_devices
from migkit.records import check_numbers, record

__all__ = ["MachineProfile"]


@dataclass(frozen=True)
class MachineProfile:
    """Sizes that belong to QEMU's machine type.

    Parameters
    ----------
    machine_name : str
        As in the stream's configuration section.
    device_state_bytes : int
        SECTION_FULL of all devices together, bytes.
    vmdesc_bytes : int
        The stream's JSON description with its 5-byte header, bytes.
    early_device_state_bytes : int
        SECTION_FULL of devices that are saved at setup, before RAM: virtio-mem's, bytes.
    devices : tuple of Device
        The machine's own devices one by one, as they join QEMU's list; without any, all of them
        count as one. Their bytes are those two sums; their times are shares of the profile's
        ``device_state_ns``, ``package_ns`` and ``landing.device_load_ns``, which stretch with
        noise and contention.

    Raises
    ------
    HostProfileError
        If a value is negative or not whole, or the devices' bytes give other sums.
    """

    machine_name: str
    device_state_bytes: int
    vmdesc_bytes: int
    early_device_state_bytes: int = 0
    devices: tuple[Device, ...] = ()

    def __post_init__(self) -> None:
        """Check every value."""
        check_numbers("machine", self, HostProfileError)
        object.__setattr__(self, "devices", read_devices(self.devices, "machine: devices"))
        for name, early in (("device_state_bytes", False), ("early_device_state_bytes", True)):
            listed = [device.bytes for device in self.devices if device.early == early]
            if listed and sum(listed) != getattr(self, name):
                raise HostProfileError.of(
                    f"machine: {name} {getattr(self, name)}",
                    f"its devices hold {sum(listed)} bytes",
                    "make both equal, or list added devices as the profile's own 'devices'",
                )

    @classmethod
    def from_dict(cls, values: Any) -> MachineProfile:
        """Read the table ``machine`` of a host profile."""
        return record(cls, values, "machine", HostProfileError)
