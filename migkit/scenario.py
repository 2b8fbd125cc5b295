"""A scenario: everything that goes into one migration, as one frozen value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.capabilities import Capabilities, version_numbers
from migkit.contention import Contention
from migkit.errors import ScenarioError, did_you_mean
from migkit.guest import Guest
from migkit.host import HostProfile
from migkit.iterables import IterableHandler
from migkit.link import Link
from migkit.parameters import MigrationParameters
from migkit.timeline import TimelineItem
from migkit.workloads import Idle, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["RULES", "Scenario"]

_KINDS: dict[str, type] = {
    "guest": Guest,
    "workload": Workload,
    "capabilities": Capabilities,
    "parameters": MigrationParameters,
    "host": HostProfile,
    "link": Link,
    "contention": Contention,
    "qemu_version": str,
    "name": str,
    "description": str,
}

RULES: tuple[str, ...] = ("before", "after")
"""Completion rules of migration_iteration_run: up to QEMU 10.0, and since 10.1."""


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
    iterables : iterable of IterableHandler
        Other handlers beside RAM, in order of registration.
    name, description : str
        For people.
    seed : int
        Seed of everything random but the workload, which has its own; 0..2^63 - 1.
    observe_for_s : float or None
        When observation ends, seconds after ``migrate``; None is with the migration.
    workload_lead_s : float
        How long the program has run when ``migrate`` is taken, seconds.
    contention : Contention
        What else keeps the two hosts busy.

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
    iterables: tuple[IterableHandler, ...] = ()
    name: str = "scenario"
    description: str = ""
    seed: int = 1
    observe_for_s: float | None = None
    workload_lead_s: float = 0.0
    contention: Contention = field(default_factory=Contention)

    def __post_init__(self) -> None:
        """Check what depends on more than one part."""
        object.__setattr__(self, "timeline", tuple(self.timeline))
        object.__setattr__(self, "iterables", tuple(self.iterables))
        self._check_kinds()
        if self.completion_rule not in RULES:
            raise ScenarioError.of(
                f"completion rule {self.completion_rule!r}",
                "allowed before or after",
                did_you_mean(str(self.completion_rule), RULES),
            )
        version_numbers(self.qemu_version)
        self._check_numbers()
        self.capabilities.check(self.parameters, self.qemu_version)
        self.workload.within(self.guest.ram_blocks[0].pages)
        self._check_timeline()
        self._check_iterables()

    def _check_kinds(self) -> None:
        for name, kind in _KINDS.items():
            if not isinstance(getattr(self, name), kind):
                raise ScenarioError.of(
                    f"scenario: {name} {getattr(self, name)!r}",
                    f"allowed a {kind.__name__}",
                    "use Scenario.build for values as people write them",
                )
        for name, kind in (("timeline", TimelineItem), ("iterables", IterableHandler)):
            for item in getattr(self, name):
                if not isinstance(item, kind):
                    raise ScenarioError.of(
                        f"scenario: {name} with {item!r}",
                        f"allowed {kind.__name__}",
                        f"make it a {kind.__name__}",
                    )

    def _check_numbers(self) -> None:
        if isinstance(self.seed, bool) or self.seed not in range(1 << 63):
            raise ScenarioError.of(
                f"seed {self.seed!r}", "allowed 0..2^63 - 1", "give a whole number of that range"
            )
        for name, low in (("observe_for_s", "over 0"), ("workload_lead_s", "0 or more")):
            value = getattr(self, name)
            if value is None and name == "observe_for_s":
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or not 0 <= value <= 1e9:
                raise ScenarioError.of(
                    f"{name} {value!r}", f"allowed {low}, up to 1e9 s", "give seconds"
                )
            if value == 0 and name == "observe_for_s":
                raise ScenarioError.of("observe_for_s 0", "allowed over 0 s", "leave it out")
            object.__setattr__(self, name, float(value))

    def _check_timeline(self) -> None:
        on = self.capabilities
        postcopy = "postcopy-ram" in on or "dirty-bitmaps" in on
        for item in self.timeline:
            if item.command == "migrate-start-postcopy" and not postcopy:
                raise ScenarioError.of(
                    "timeline migrate-start-postcopy",
                    "capability postcopy-ram is off",
                    "add postcopy-ram to the capabilities",
                )
            if item.command == "migrate-set-parameters":
                self.parameters.with_qmp(item.arguments)

    def _check_iterables(self) -> None:
        names = [handler.name for handler in self.iterables]
        for name in names:
            if names.count(name) > 1:
                raise ScenarioError.of(
                    f"iterable handler {name}", "there are two of that name", "name them apart"
                )

    @classmethod
    def build(cls, **values: Any) -> Scenario:
        """Make a scenario from units that people write.

        Parameters
        ----------
        **values : Any
            The fields of `migkit.scenario_text.WrittenScenario`.

        Returns
        -------
        Scenario
            The scenario.

        Raises
        ------
        InputError
            At the first value that is not valid, or a name that is not known.
        """
        from migkit.scenario_text import build_from

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
        from migkit.scenario_capture import scenario_of_capture

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
        from migkit.scenario_io import read_scenario

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
        from migkit.scenario_io import scenario_from_dict

        return scenario_from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Write every field as plain values that JSON can hold.

        Returns
        -------
        dict
            What `from_dict` reads.
        """
        from migkit.scenario_io import scenario_to_dict

        return scenario_to_dict(self)

    def save(self, path: str | Path) -> None:
        """Write the scenario to a JSON file.

        Parameters
        ----------
        path : str or Path
            The file; replaced as a whole if it is there.
        """
        from migkit.scenario_io import write_scenario

        write_scenario(self, Path(path))
