"""What is measured: the guests, and what each capability needs to be on."""

from __future__ import annotations

from typing import Any

from migkit.errors import InputError
from migkit.parameters.capabilities import SIMULATED
from migkit.plan import Plan, make_plan
from migkit.scenario import Scenario

__all__ = ["busy", "capability_plans", "converging", "guest", "idle"]

# QEMU wants another capability, or the command that makes use of it.
_ALSO: dict[str, dict[str, Any]] = {
    "postcopy-ram": {"postcopy_at": "500ms"},
    "postcopy-preempt": {"postcopy_at": "500ms"},
    "postcopy-blocktime": {"postcopy_at": "500ms"},
}


def plan_of(**values: Any) -> Plan:
    """Resolve what `Scenario.build` takes."""
    return make_plan(Scenario.build(bandwidth="10Gbit/s", **values))


def guest(memory: str, rate: int = 20_000) -> Scenario:
    """Return a guest that writes `rate` uniform pages a second, over 10 Gbit/s."""
    return Scenario.build(memory=memory, bandwidth="10Gbit/s", workload=f"uniform:{rate}")


def converging(memory: str, rate: int = 20_000) -> Plan:
    """Return the plan of such a guest."""
    return make_plan(guest(memory, rate))


def idle(memory: str) -> Plan:
    """Return a guest that writes nothing."""
    return plan_of(memory=memory, workload="idle")


def busy(seconds: int) -> Plan:
    """Return a guest that never converges, watched for so long: rounds grow with the time."""
    return plan_of(memory="2GiB", workload="uniform:400000", observe_for=f"{seconds}s")


def capability_plans() -> dict[str, tuple[Plan, Plan]]:
    """Return for each simulated capability a plan with it and the same plan without.

    Returns
    -------
    dict of str to (Plan, Plan)
        QEMU's name to the plan with the capability on and the one with it off. Both have what
        else the capability needs. One that cannot be switched by its name alone is left out.
    """
    plans = {}
    for name in sorted(SIMULATED):
        also = dict(_ALSO.get(name, {}))
        try:
            plans[name] = (
                plan_of(**_GUEST, capabilities=(name,), **also),
                plan_of(**_GUEST, **({} if name == "postcopy-ram" else also)),
            )
        except InputError:
            continue
    return plans


_GUEST: dict[str, Any] = {"memory": "2GiB", "workload": "uniform:20000"}
