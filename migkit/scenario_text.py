"""Scenarios in the units that people write: ``memory="8GiB", bandwidth="10Gbit/s"``."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from migkit.capabilities import Capabilities
from migkit.errors import ScenarioError, did_you_mean
from migkit.guest import Guest
from migkit.host import DEFAULT_HOST, HostProfile, Link
from migkit.iterables import IterableHandler
from migkit.parameters import MigrationParameters
from migkit.records import record
from migkit.scenario import Scenario
from migkit.timeline import TimelineItem
from migkit.units import parse_bytes, parse_duration, parse_rate
from migkit.workload_text import parse_workload
from migkit.workloads import Workload

__all__ = ["build", "build_from"]

_SHORTEST_OBSERVATION_S = 60.0
_SWEEPS_OBSERVED = 30
_UNLIMITED_BYTES_PER_S = 10**9


def build_from(values: Mapping[str, Any]) -> Scenario:
    """Call `build` with checked names.

    Parameters
    ----------
    values : mapping
        Parameters of `build`.

    Returns
    -------
    Scenario
        The scenario.

    Raises
    ------
    InputError
        If a name is not known (the nearest is suggested), or a value not valid.
    """
    known = inspect.signature(build).parameters
    for name in values:
        if name not in known:
            raise ScenarioError.of(f"scenario: {name}", "unknown", did_you_mean(str(name), known))
    return build(**values)


def build(
    *,
    memory: str | int = "1GiB",
    workload: str | Workload = "idle",
    bandwidth: str | int | None = None,
    downtime_limit: str | None = None,
    postcopy_bandwidth: str | int | None = None,
    rule: str = "after",
    postcopy_at: str | None = None,
    capabilities: Iterable[str] | Mapping[str, bool] = (),
    parameters: Mapping[str, Any] | None = None,
    timeline: Iterable[TimelineItem | Mapping[str, Any]] = (),
    link_bandwidth: str | int | None = None,
    link_latency: str | None = None,
    host: str | HostProfile = DEFAULT_HOST,
    iterables: Iterable[IterableHandler | Mapping[str, Any]] = (),
    nonzero_percent: float = 0,
    seed: int = 1,
    observe_for: str | None = None,
    workload_lead: str = "0s",
    qemu_version: str = "10.2.2",
    name: str = "scenario",
    description: str = "",
) -> Scenario:
    """Make a scenario of a ``pc`` guest from values as people write them.

    Parameters
    ----------
    memory : str or int
        Guest memory: ``"8GiB"``, or bytes.
    workload : str or Workload
        Such as ``"uniform:20000"`` (`migkit.workload_text.FORMS`), or a specification.
    bandwidth : str or int, optional
        QEMU's max-bandwidth: ``"10Gbit/s"``, or bytes per second; 0 is unlimited.
    downtime_limit : str, optional
        QEMU's downtime-limit: ``"300ms"``.
    postcopy_bandwidth : str or int, optional
        QEMU's max-postcopy-bandwidth.
    rule : {"after", "before"}
        Completion rule.
    postcopy_at : str, optional
        When ``migrate-start-postcopy`` is given: ``"3s"``. Turns postcopy-ram on.
    capabilities : iterable of str or mapping
        QEMU's names.
    parameters : mapping, optional
        Further parameters, QEMU's names and values.
    timeline : iterable of TimelineItem or mapping
        Further commands; a mapping may say ``at`` and ``after`` as ``"3s"``.
    link_bandwidth, link_latency : str, optional
        The physical link; the host profile's if left out.
    host : str or HostProfile
        Costs of the machine.
    iterables : iterable of IterableHandler or mapping
        Other handlers beside RAM.
    nonzero_percent : float
        Share of the memory, from its start, that holds data beside the working set, 0..100 %.
    seed : int
        Seed; also the workload's, if that is a text that names none.
    observe_for : str, optional
        When observation ends. Left out: after thirty sweeps of memory at the bandwidth limit, 60 s
        at least, so that a migration that never converges ends too.
    workload_lead : str
        How long the program has run when ``migrate`` is taken.
    qemu_version, name, description : str
        See `Scenario`.

    Returns
    -------
    Scenario
        The scenario.

    Raises
    ------
    InputError
        At the first value that is not valid.
    """
    profile = host if isinstance(host, HostProfile) else HostProfile.load(host)
    link = _link(profile.link, link_bandwidth, link_latency)
    limits = _parameters(parameters, bandwidth, downtime_limit, postcopy_bandwidth)
    memory_bytes = parse_bytes(memory, "memory")
    spec = _workload(workload, seed)
    items = [_timeline_item(item) for item in timeline]
    if postcopy_at is not None:
        at_s = parse_duration(postcopy_at, "postcopy_at") / 1e9
        items.insert(0, TimelineItem("migrate-start-postcopy", at_s=at_s))
    observed = _observe_s(observe_for, memory_bytes, limits, link, items)
    return Scenario(
        guest=_guest(memory_bytes, spec, nonzero_percent),
        workload=spec,
        capabilities=_capabilities(capabilities, postcopy=postcopy_at is not None),
        parameters=limits,
        timeline=tuple(items),
        host=profile,
        link=link,
        completion_rule=rule,
        qemu_version=qemu_version,
        iterables=tuple(_iterable(item) for item in iterables),
        name=name,
        description=description,
        seed=seed,
        observe_for_s=observed,
        workload_lead_s=parse_duration(workload_lead, "workload_lead") / 1e9,
    )


def _link(link: Link, bandwidth: str | int | None, latency: str | None) -> Link:
    rate = link.bandwidth_bytes_per_s
    again = link.recovery_bandwidth_bytes_per_s
    if bandwidth is not None:
        rate = again = parse_rate(bandwidth, "link_bandwidth")
    delay = link.latency_ns if latency is None else parse_duration(latency, "link_latency")
    return Link(rate, delay, link.send_buffer_bytes, again)


def _parameters(
    given: Mapping[str, Any] | None,
    bandwidth: str | int | None,
    downtime_limit: str | None,
    postcopy_bandwidth: str | int | None,
) -> MigrationParameters:
    """Join the parameters that have their own unit with those by QEMU's name."""
    values = dict(given or {})
    own: dict[str, int] = {}
    if bandwidth is not None:
        own["max-bandwidth"] = parse_rate(bandwidth, "bandwidth")
    if downtime_limit is not None:
        own["downtime-limit"] = _milliseconds(downtime_limit)
    if postcopy_bandwidth is not None:
        own["max-postcopy-bandwidth"] = parse_rate(postcopy_bandwidth, "postcopy_bandwidth")
    for name in own:
        if name in values:
            raise ScenarioError.of(
                f"parameter {name} {values[name]}", "given twice", "give it once"
            )
    return MigrationParameters.from_qmp({**values, **own})


def _milliseconds(written: str) -> int:
    whole, rest = divmod(parse_duration(written, "downtime_limit"), 1_000_000)
    if rest:
        raise ScenarioError.of(
            f"downtime_limit {written}", "allowed whole milliseconds", "write 300ms"
        )
    return whole


def _workload(workload: str | Workload, seed: int) -> Workload:
    if isinstance(workload, Workload):
        return workload
    spec = parse_workload(workload)
    if "seed=" in workload or isinstance(seed, bool) or not isinstance(seed, int):
        return spec
    return spec.seeded(seed)


def _guest(memory_bytes: int, spec: Workload, nonzero_percent: float) -> Guest:
    number = isinstance(nonzero_percent, int | float) and not isinstance(nonzero_percent, bool)
    if not number or not 0 <= nonzero_percent <= 100:
        raise ScenarioError.of(
            f"nonzero_percent {nonzero_percent!r}", "allowed 0..100", "give a share in percent"
        )
    guest = Guest.pc(memory_bytes)
    pages = guest.ram_blocks[0].pages
    filled = guest.with_nonzero(0, int(pages * nonzero_percent / 100))
    return filled.with_nonzero(*spec.within(pages).touched)


def _capabilities(given: Iterable[str] | Mapping[str, bool], *, postcopy: bool) -> Capabilities:
    if isinstance(given, Mapping):
        on = Capabilities.from_qmp(given)
    else:
        on = Capabilities(given)
    return Capabilities([*on, "postcopy-ram", "return-path"]) if postcopy else on


def _timeline_item(item: TimelineItem | Mapping[str, Any]) -> TimelineItem:
    if isinstance(item, TimelineItem):
        return item
    if not isinstance(item, Mapping):
        raise ScenarioError.of(f"timeline item {item!r}", "not a table", "give command and at")
    values = dict(item)
    for written, field in (("at", "at_s"), ("after", "after_s")):
        if written in values:
            seconds = parse_duration(values.pop(written), f"timeline {written}") / 1e9
            values[field] = seconds
    return record(TimelineItem, values, "timeline item", ScenarioError)


def _iterable(item: IterableHandler | Mapping[str, Any]) -> IterableHandler:
    if isinstance(item, IterableHandler):
        return item
    return record(IterableHandler, item, "iterable handler", ScenarioError)


def _observe_s(
    written: str | None,
    memory_bytes: int,
    limits: MigrationParameters,
    link: Link,
    items: list[TimelineItem],
) -> float:
    """End of observation: as written, or late enough for all but the hopeless."""
    if written is not None:
        return parse_duration(written, "observe_for") / 1e9
    rates = (limits.max_bandwidth_bytes_per_s, link.bandwidth_bytes_per_s)
    slowest = min((rate for rate in rates if rate > 0), default=_UNLIMITED_BYTES_PER_S)
    sweeps_s = _SWEEPS_OBSERVED * memory_bytes / slowest
    last_s = max((item.at_s for item in items if item.at_s is not None), default=0.0)
    return min(last_s + max(_SHORTEST_OBSERVATION_S, sweeps_s), 1e9)
