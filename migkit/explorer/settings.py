"""What can be set in the explorer, as one frozen value that makes a scenario."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

from migkit.errors import InputError, NotSimulatedError, did_you_mean
from migkit.parameters.capabilities import Capabilities
from migkit.scenario import Scenario

WORKLOADS: Final[dict[str, str]] = {
    "idle": "idle",
    "hot/cold, 8,000 pages/s": "hotcold:8000,hot=4000,percent=95,pages=100000",
    "hot/cold, 12,000 pages/s": "hotcold:12000,hot=20000,percent=95,pages=100000",
    "sequential, 4,000 pages/s": "sequential:4000,pages=100000",
    "uniform, 3,000 pages/s": "uniform:3000,pages=100000",
    "uniform, 9,000 pages/s": "uniform:9000,pages=100000",
    "uniform, 20,000 pages/s": "uniform:20000,pages=100000",
}
"""Workloads offered by name; any other text of a workload may be set as well."""

MEMORIES: Final = tuple(f"{size}" for size in ("512MiB", "1GiB", "2GiB", "4GiB", "8GiB", "16GiB"))
_WISHED = Capabilities(("auto-converge", "postcopy-preempt"))
CAPABILITIES: Final = tuple(name for name in _WISHED if name not in _WISHED.not_simulated())
"""Capabilities offered: those of interest here that the engine models."""

_SWEEPS_OBSERVED: Final = 10
_SHORTEST_OBSERVATION_S: Final = 60


@dataclass(frozen=True)
class Settings:
    """What goes into the explored migration.

    Parameters
    ----------
    downtime_limit_ms : int
        QEMU's downtime-limit, 0..2000000 ms.
    bandwidth_bytes_per_s : int
        QEMU's max-bandwidth, above 0.
    memory : str
        Guest memory, such as "512MiB".
    workload : str
        A workload as text, such as "uniform:9000,pages=100000".
    rule : {"after", "before"}
        Completion rule.
    capabilities : tuple of str
        QEMU's names; postcopy-ram is added where postcopy is asked for.
    postcopy_at_s : float or None
        When ``migrate-start-postcopy`` is given, seconds after ``migrate``; None is never.

    Raises
    ------
    InputError
        The bandwidth is not above 0. Everything else is checked by `scenario`.
    """

    downtime_limit_ms: int = 300
    bandwidth_bytes_per_s: int = 64 << 20
    memory: str = "512MiB"
    workload: str = WORKLOADS["uniform, 9,000 pages/s"]
    rule: str = "after"
    capabilities: tuple[str, ...] = ()
    postcopy_at_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse a bandwidth that no observation time follows from."""
        bandwidth = self.bandwidth_bytes_per_s
        if not isinstance(bandwidth, int | float) or not 0 < bandwidth < 2**62:
            raise InputError.of(
                f"bandwidth {bandwidth!r} bytes/s", "allowed above 0", "give such a number"
            )

    def changed(self, **values: Any) -> Settings:
        """Return a copy with some values replaced, checked as a whole.

        Parameters
        ----------
        **values : Any
            Fields of `Settings`.

        Returns
        -------
        Settings
            A copy that makes a valid scenario.

        Raises
        ------
        InputError
            A name is not known, or a value is not valid.
        NotSimulatedError
            A capability is valid, and the engine does not model it.
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in values:
            if name not in known:
                raise InputError.of(f"explorer: {name}", "unknown", did_you_mean(name, known))
        settings = dataclasses.replace(self, **values)
        missing = settings.scenario().capabilities.not_simulated()
        if missing:
            raise NotSimulatedError(missing)
        return settings

    def scenario(self) -> Scenario:
        """Return the scenario of these settings.

        Returns
        -------
        Scenario
            Observed for ten sweeps of memory, one minute at least.

        Raises
        ------
        InputError
            A value is not valid.
        """
        preempt = "postcopy-preempt" in self.capabilities and self.postcopy_at_s is not None
        kept = [name for name in self.capabilities if name != "postcopy-preempt" or preempt]
        scenario = Scenario.build(
            memory=self.memory,
            workload=self.workload,
            bandwidth=round(self.bandwidth_bytes_per_s),
            downtime_limit=f"{self.downtime_limit_ms}ms",
            rule=self.rule,
            capabilities=kept,
            postcopy_at=None if self.postcopy_at_s is None else f"{self.postcopy_at_s}s",
            name="explorer",
        )
        sweep_s = scenario.guest.total_bytes / self.bandwidth_bytes_per_s
        observed_s = max(_SHORTEST_OBSERVATION_S, _SWEEPS_OBSERVED * sweep_s)
        return dataclasses.replace(scenario, observe_for_s=observed_s)
