"""One replicate of a scenario: its costs, its workload's lead and its commands as they come."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migkit.scenario import Scenario
    from migkit.scenario.timeline import TimelineItem

__all__ = ["drawn"]

_MISHAPS = frozenset({"cut", "link-change"})
_ONE_GO_S = 0.05
"""Commands that lie no further apart are given by one hand, one after the other."""
_PAUSED = "migration_completion_vm_stop"
"""What a person who waits for pre-switchover sees first."""


def drawn(scenario: Scenario, replicate: int) -> Scenario:
    """Return the scenario with what one replicate draws from the noise of its host.

    Parameters
    ----------
    scenario : Scenario
        What was asked for.
    replicate : int
        Which draw.

    Returns
    -------
    Scenario
        The same with the host's costs, the workload's lead and the moments of commands and of
        the end of watching drawn. What happens to the link keeps its time.
    """
    noise, seed = scenario.host.noise, scenario.seed
    shifts = noise.command_shifts_ns(seed, replicate, len(scenario.timeline) + 1)
    lead_s = scenario.workload_lead_s + noise.lead_shift_ns(seed, replicate) / 1e9
    end_s = scenario.observe_for_s
    return dataclasses.replace(
        scenario,
        host=noise.perturbed(scenario.host, seed, replicate),
        workload_lead_s=max(lead_s, 0.0),
        timeline=_shifted(scenario.timeline, shifts[1:]),
        observe_for_s=None if end_s is None else max(end_s + shifts[0] / 1e9, 0.0),
    )


def _shifted(items: tuple[TimelineItem, ...], shifts: tuple[int, ...]) -> tuple[TimelineItem, ...]:
    """Shift each command by its own draw, those given in one go by that of the first.

    `migrate-continue` has to follow the state that it names: it comes that much after it.
    """
    out = []
    shift_ns, last_s = 0, float("-inf")
    for item, own_ns in zip(items, shifts, strict=True):
        if item.at_s is None or item.command in _MISHAPS:
            out.append(item)
            continue
        if item.command == "migrate-continue":
            after_s = abs(own_ns) / 1e9
            out.append(dataclasses.replace(item, at_s=None, at_event=_PAUSED, after_s=after_s))
            continue
        if item.at_s - last_s > _ONE_GO_S:
            shift_ns = own_ns
        last_s = item.at_s
        out.append(dataclasses.replace(item, at_s=max(item.at_s + shift_ns / 1e9, 0.0)))
    return tuple(out)
