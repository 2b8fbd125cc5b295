"""Simulate one migration: from a scenario, or from values as people write them, to its frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from migkit.errors import InputError, did_you_mean
from migkit.plan import make_plan
from migkit.scenario import Scenario

if TYPE_CHECKING:
    from migkit.results import Migration
    from migkit.results.replicates import Replicates

__all__ = ["ENGINES", "simulate"]

ENGINES: tuple[str, ...] = ("compiled", "oracle")
"""The compiled engine, and the plain-Python one that specifies it."""


@overload
def simulate(
    scenario: Scenario | None = None,
    *,
    engine: str = "compiled",
    progress: Callable[[int], object] | None = None,
    replicates: None = None,
    **values: Any,
) -> Migration: ...


@overload
def simulate(
    scenario: Scenario | None = None,
    *,
    engine: str = "compiled",
    progress: Callable[[int], object] | None = None,
    replicates: int,
    **values: Any,
) -> Replicates: ...


def simulate(
    scenario: Scenario | None = None,
    *,
    engine: str = "compiled",
    progress: Callable[[int], object] | None = None,
    replicates: int | None = None,
    **values: Any,
) -> Migration | Replicates:
    """Simulate a migration in virtual time.

    Parameters
    ----------
    scenario : Scenario, optional
        What to simulate. Left out, `values` make one, as in `Scenario.build`.
    engine : {"compiled", "oracle"}
        Both give the same recording; the oracle takes about a thousand times as long.
    progress : callable, optional
        Called with the virtual time in nanoseconds every few milliseconds of real time; compiled
        engine only.
    replicates : int, optional
        Simulate this often with the noise of the host profile, instead of once without.
    **values
        ``memory="8GiB"``, ``bandwidth="10Gbit/s"``, ``downtime_limit="300ms"``,
        ``workload="uniform:20000"``, ``rule="before"``, ``postcopy_at="3s"`` and the other
        parameters of `Scenario.build`.

    Returns
    -------
    Migration or Replicates
        Frames, summary and provenance of the run; with `replicates`, the values of all runs.

    Raises
    ------
    InputError
        If a value is not valid, or both a scenario and values are given.
    NotSimulatedError
        If the scenario asks for capabilities that the engine does not model.
    KeyboardInterrupt
        When interrupted, within 100 ms.

    Notes
    -----
    Models QEMU's migration thread: migration/migration.c (migration_thread), migration/ram.c,
    migration/savevm.c, migration/qemu-file.c and migration/postcopy-ram.c of QEMU 10.2.

    Examples
    --------
    >>> import migkit
    >>> run = migkit.simulate(memory="64MiB", workload="uniform:500", bandwidth="1Gbit/s")
    >>> run.outcome
    'completed'
    >>> run.summary["ram"]["dirty-sync-count"] >= 2
    True
    """
    if engine not in ENGINES:
        raise InputError.of(
            f"engine {engine!r}", f"allowed {' or '.join(ENGINES)}", did_you_mean(engine, ENGINES)
        )
    if scenario is None:
        scenario = Scenario.build(**values)
    elif values:
        raise InputError.of(
            f"simulate({', '.join(values)}) with a scenario",
            "allowed a scenario or values that make one",
            "put the values into the scenario",
        )
    if replicates is not None:
        return _replicated(scenario, engine, progress, replicates)
    return _run(scenario, engine, progress, None)


def _run(
    scenario: Scenario,
    engine: str,
    progress: Callable[[int], object] | None,
    replicate: int | None,
) -> Migration:
    plan = make_plan(scenario, replicate)
    if engine == "oracle":
        from migkit import oracle

        recording = oracle.run(plan)
    else:
        from migkit import _engine

        recording = _engine.run(plan, progress)
    from migkit.results import Migration

    return Migration.from_recording(recording, scenario=scenario, engine=engine)


def _replicated(
    scenario: Scenario,
    engine: str,
    progress: Callable[[int], object] | None,
    replicates: int,
) -> Replicates:
    if isinstance(replicates, bool) or not isinstance(replicates, int) or replicates < 1:
        raise InputError.of(
            f"replicates {replicates!r}", "allowed whole numbers, 1 or more", "give such a number"
        )
    from migkit.results.replicates import Replicates

    runs = (_run(scenario, engine, progress, number) for number in range(replicates))
    return Replicates.of(scenario, runs)
