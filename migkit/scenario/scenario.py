"""A scenario: everything that goes into one migration, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.guest import Guest
from migkit.guest.accelerator import Accelerator
from migkit.host import HostProfile
from migkit.host.contention import Contention
from migkit.network.link import Link
from migkit.network.transport import Transport
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import Capabilities
from migkit.scenario.checks import RULES, check_scenario, plain_seconds
from migkit.scenario.iterables import Handler
from migkit.scenario.timeline import TimelineItem
from migkit.workloads import Idle, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RULES", "Scenario"]


@dataclass(frozen=True)
class Scenario:
    """Everything that goes into one migration.

    Parameters
    ----------
    guest : Guest
        Its memory.
    workload : Workload
        What its program writes.
    capabilities : Capabilities
        QEMU's capabilities that are on.
    parameters : MigrationParameters
        QEMU's parameters.
    timeline : iterable of TimelineItem
        Commands given while it runs, and what happens to the link.
    host : HostProfile
        Costs of the machine.
    link : Link, optional
        The physical link; that of the default host profile if left out.
    completion_rule : {"after", "before"}
        Which completion logic source and destination run.
    qemu_version : str
        Version whose other behaviour counts.
    iterables : iterable of IterableHandler, DirtyBitmap or VfioDevice
        Other handlers beside RAM, in order of registration.
    name, description : str
        For people.
    accelerator : Accelerator
        What runs the guest, and how its dirty log works.
    seed : int
        Seed of everything random but the workload, which has its own; 0..2^63 - 1.
    observe_for_s : float or None
        When observation ends, seconds after ``migrate``; None is with the migration.
    multifd_flush_after_each_section : bool
        QEMU's property of that name, on for machine types up to 8.0: multifd syncs in each.
    workload_lead_s : float
        How long the program has run when ``migrate`` is taken, seconds.
    contention : Contention
        What else keeps the two hosts busy.
    images_locked : bool
        Whether the guest has disks, whose images only one of the two QEMU can have open.
    transport : Transport
        Where the stream goes.
    runstate : {"running", "paused", "prelaunch"}
        State of the VM when ``migrate`` is taken.

    Raises
    ------
    InputError
        At the first thing that is not valid, before any work starts.

    Examples
    --------
    >>> scenario = Scenario.build(memory="512MiB", bandwidth="64MiB/s", workload="uniform:1000")
    >>> scenario.parameters.max_bandwidth_bytes_per_s
    67108864
    >>> Scenario.from_dict(scenario.to_dict()) == scenario
    True
    """

    guest: Guest
    workload: Workload = field(default_factory=Idle)
    capabilities: Capabilities = field(default_factory=Capabilities)
    parameters: MigrationParameters = field(default_factory=MigrationParameters)
    timeline: tuple[TimelineItem, ...] = ()
    host: HostProfile = field(default_factory=HostProfile.load)
    link: Link = field(default_factory=lambda: HostProfile.load().link)
    completion_rule: str = "after"
    qemu_version: str = "10.2.2"
    iterables: tuple[Handler, ...] = ()
    name: str = "scenario"
    description: str = ""
    seed: int = 1
    observe_for_s: float | None = None
    workload_lead_s: float = 0.0
    contention: Contention = field(default_factory=Contention)
    images_locked: bool = False
    accelerator: Accelerator = field(default_factory=Accelerator)
    multifd_flush_after_each_section: bool = False
    transport: Transport = field(default_factory=Transport)
    runstate: str = "running"

    def __post_init__(self) -> None:
        """Check what depends on more than one part."""
        object.__setattr__(self, "timeline", tuple(self.timeline))
        object.__setattr__(self, "iterables", tuple(self.iterables))
        for name in ("observe_for_s", "workload_lead_s"):
            object.__setattr__(self, name, plain_seconds(name, getattr(self, name)))
        check_scenario(self)

    @classmethod
    def build(cls, **values: Any) -> Scenario:
        """Make a scenario from units that people write.

        Parameters
        ----------
        **values : Any
            The fields of `migkit.scenario.text.WrittenScenario`.

        Returns
        -------
        Scenario
            The scenario.

        Raises
        ------
        InputError
            At the first value that is not valid, or a name that is not known.
        """
        from migkit.scenario.text import build_from

        return build_from(values)

    @classmethod
    def from_capture(cls, path: str | Path) -> Scenario:
        """Read a capture's ``scenario.json``, and nothing else of it.

        Parameters
        ----------
        path : str or Path
            The capture's folder, or the file itself.

        Returns
        -------
        Scenario
            What went into the recorded migration.

        Raises
        ------
        CaptureError
            If there is no such file, or it is not that of a capture.
        """
        from migkit.scenario.from_capture import scenario_of_capture

        return scenario_of_capture(Path(path))

    @classmethod
    def from_file(cls, path: str | Path) -> Scenario:
        """Read a scenario from TOML or JSON.

        Parameters
        ----------
        path : str or Path
            A file that `save` wrote, or one with the parameters of `build` by name.

        Returns
        -------
        Scenario
            The scenario.

        Raises
        ------
        InputError
            If the file cannot be read, or at the first value that is not valid.
        """
        from migkit.scenario.files import read_scenario

        return read_scenario(Path(path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scenario:
        """Read what `to_dict` gave.

        Parameters
        ----------
        values : mapping
            All fields, as plain values.

        Returns
        -------
        Scenario
            The scenario.

        Raises
        ------
        InputError
            At the first value that is not valid.
        """
        from migkit.scenario.io import scenario_from_dict

        return scenario_from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Write every field as plain values that JSON can hold.

        Returns
        -------
        dict
            What `from_dict` reads.
        """
        from migkit.scenario.io import scenario_to_dict

        return scenario_to_dict(self)

    def save(self, path: str | Path) -> None:
        """Write the scenario to a JSON file.

        Parameters
        ----------
        path : str or Path
            The file; replaced as a whole if it is there.
        """
        from migkit.scenario.files import write_scenario

        write_scenario(self, Path(path))
