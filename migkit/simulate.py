"""Simulate one migration: from a scenario, or from values as people write them, to its frames."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, overload

from migkit.errors import InputError, did_you_mean
from migkit.plan import make_plan
from migkit.scenario import Scenario
from migkit.threads import in_order, thread_count, watched

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
    threads: int | None = None,
    **values: Any,
) -> Migration: ...


@overload
def simulate(
    scenario: Scenario | None = None,
    *,
    engine: str = "compiled",
    progress: Callable[[int], object] | None = None,
    replicates: int,
    threads: int | None = None,
    **values: Any,
) -> Replicates: ...


def simulate(
    scenario: Scenario | None = None,
    *,
    engine: str = "compiled",
    progress: Callable[[int], object] | None = None,
    replicates: int | None = None,
    threads: int | None = None,
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
    threads : int, optional
        How many replicates the compiled engine simulates at once: by default one for each
        processor. The values do not depend on it; `progress` is called from these threads.
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
    elif not isinstance(scenario, Scenario):
        raise InputError.of(
            f"simulate({scenario!r})",
            f"a {type(scenario).__name__}, not a Scenario",
            "give Scenario.from_file(PATH), or values such as memory='8GiB'",
        )
    if replicates is not None:
        return _replicated(scenario, engine, progress, replicates, thread_count(threads))
    from migkit.results import Migration

    recording = _recording(scenario, engine, progress, None)
    return Migration.from_recording(recording, scenario=scenario, engine=engine)


def _recording(
    scenario: Scenario,
    engine: str,
    progress: Callable[[int], object] | None,
    replicate: int | None,
) -> dict[str, Any]:
    plan = make_plan(scenario, replicate)
    if engine == "oracle":
        from migkit import oracle

        return oracle.run(plan)
    from migkit import _engine

    return _engine.run(plan, watched(progress))


def _replicated(
    scenario: Scenario,
    engine: str,
    progress: Callable[[int], object] | None,
    replicates: int,
    threads: int,
) -> Replicates:
    if isinstance(replicates, bool) or not isinstance(replicates, int) or replicates < 1:
        raise InputError.of(
            f"replicates {replicates!r}", "allowed whole numbers, 1 or more", "give such a number"
        )
    from migkit.results.replicates import Replicates

    def work(number: int) -> dict[str, Any]:
        recording = _recording(scenario, engine, progress, number)
        return {"outcome": recording["outcome"], **recording["counters"]}

    # The oracle holds Python's lock all the time, and nothing could end it in another thread.
    at_once = 1 if engine == "oracle" else min(threads, replicates)
    with closing(in_order(work, range(replicates), at_once)) as ends:
        return Replicates.of(scenario, ends)
