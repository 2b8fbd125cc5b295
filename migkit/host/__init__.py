"""The two hosts: what each step costs there, and how much these costs scatter."""

from migkit.host.profile import DEFAULT_HOST, HostProfile, MachineProfile, host_names

__all__ = ["DEFAULT_HOST", "HostProfile", "MachineProfile", "host_names"]
