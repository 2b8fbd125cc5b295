"""How a scenario's dirty log works, with nothing left open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from migkit.errors import WorkloadError
from migkit.guest.accelerator import LOG_MODES
from migkit.parameters.capabilities import version_numbers
from migkit.plan.changes import changed_value
from migkit.workloads import Workload
from migkit.workloads.phased import Phases
from migkit.workloads.recorded import Callback

if TYPE_CHECKING:
    from migkit.scenario import Scenario

__all__ = ["DirtyLimitPlan", "DirtyLogPlan", "dirty_limit_plan", "dirty_log_plan"]


@dataclass(frozen=True)
class DirtyLogPlan:
    """The dirty log and its costs, in nanoseconds unless the name says otherwise.

    Attributes
    ----------
    mode : int
        Position in `migkit.guest.accelerator.LOG_MODES`.
    clear_shift : int
        A chunk of the deferred clear has 2 to this power pages.
    clears_to_the_end : bool
        Whether chunks are cleared in the last stage and in postcopy too: up to 10.0.
    initially_set, ring_with_bitmap : bool
        See `migkit.guest.accelerator.Accelerator`; False where the mode has no use for it.
    ring_entries, ring_limit : int
        Size of a vCPU's ring, 0 without one; entries with which it is full.
    executed : bool
        Whether the writes are played one by one from the start: with a ring, or where the vCPUs
        may not keep up with what they have to write.
    write_ns, first_write_ns : int
        A vCPU's time for a page write; what it takes more where the log sees the write.
    protect_page_ps, log_call_ns, kick_vcpu_ns, ring_full_exit_ns : int
        See `migkit.host.logging_costs.LoggingCosts`; 0 where the mode has no such cost.
    """

    mode: int
    clear_shift: int
    clears_to_the_end: bool
    initially_set: bool
    ring_with_bitmap: bool
    ring_entries: int
    ring_limit: int
    executed: bool
    write_ns: int
    first_write_ns: int
    protect_page_ps: int
    log_call_ns: int
    kick_vcpu_ns: int
    ring_full_exit_ns: int


@dataclass(frozen=True)
class DirtyLimitPlan:
    """Capability dirty-limit.

    Attributes
    ----------
    quota_mb_per_s : int
        What each vCPU may dirty, at most 2^31 - 1.
    period_ms : int
        How long each measurement lasts.
    """

    quota_mb_per_s: int
    period_ms: int


def dirty_log_plan(scenario: Scenario) -> DirtyLogPlan:
    """Resolve the dirty log of a scenario.

    Parameters
    ----------
    scenario : Scenario
        Checked when it was made.

    Returns
    -------
    DirtyLogPlan
        What engine and oracle take.

    Raises
    ------
    WorkloadError
        If the writes of a Python function were to be shared by several vCPUs.
    """
    accelerator, costs = scenario.accelerator, scenario.host.dirty_logging
    mode = accelerator.log_mode
    kvm, ring = mode != "tcg", mode == "dirty-ring"
    own_ns = scenario.guest.cpu_ns_per_write
    if kvm:
        write_ns = costs.kvm_write_ns if own_ns is None else own_ns
        first_ns = costs.protection_fault_ns
    else:
        write_ns = costs.tcg_repeated_write_ns if own_ns is None else own_ns
        first_ns = max(scenario.host.guest_write_ns - costs.tcg_repeated_write_ns, 0)
    rate = max(part.rate_pages_per_s for part in _parts(scenario.workload))
    busy_ns_per_s = rate * (write_ns + first_ns) / scenario.guest.vcpus
    executed = ring or ((kvm or own_ns is not None) and busy_ns_per_s > 1e9)
    if executed or "auto-converge" in scenario.capabilities:
        _check_shared(scenario)
    return DirtyLogPlan(
        mode=LOG_MODES.index(mode),
        clear_shift=accelerator.clear_bitmap_shift,
        clears_to_the_end=version_numbers(scenario.qemu_version) < (10, 1),
        initially_set=accelerator.initially_set and mode == "manual-protect",
        ring_with_bitmap=accelerator.ring_with_bitmap and ring,
        ring_entries=accelerator.dirty_ring_size,
        ring_limit=max(accelerator.dirty_ring_size - costs.ring_reserved_entries, 1),
        executed=executed,
        write_ns=write_ns,
        first_write_ns=first_ns,
        protect_page_ps=costs.protect_page_ps if kvm else 0,
        log_call_ns=costs.log_call_ns if kvm else 0,
        kick_vcpu_ns=costs.kick_vcpu_ns if ring else 0,
        ring_full_exit_ns=costs.ring_full_exit_ns if ring else 0,
    )


def _parts(workload: Workload) -> tuple[Workload, ...]:
    """Return the workloads that a workload consists of."""
    if isinstance(workload, Phases):
        return tuple(part for phase in workload.phases for part in _parts(phase.workload))
    return (workload,)


def _check_shared(scenario: Scenario) -> None:
    """Refuse to ask a function of the user's own once for each vCPU."""
    called = any(isinstance(part, Callback) for part in _parts(scenario.workload))
    if called and scenario.guest.vcpus > 1:
        raise WorkloadError.of(
            "workload: a Python function",
            f"its writes cannot be shared by {scenario.guest.vcpus} vCPUs that are slowed down",
            "use vcpus=1, or another workload",
        )


def dirty_limit_plan(scenario: Scenario) -> DirtyLimitPlan | None:
    """Resolve dirty-limit.

    Parameters
    ----------
    scenario : Scenario
        Checked when it was made.

    Returns
    -------
    DirtyLimitPlan or None
        None without the capability.
    """
    if "dirty-limit" not in scenario.capabilities:
        return None
    values = scenario.parameters
    quota = changed_value("vcpu-dirty-limit", values.vcpu_dirty_limit_mb_per_s)
    return DirtyLimitPlan(quota, values.x_vcpu_dirty_limit_period_ms)
