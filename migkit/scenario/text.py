"""Scenarios in the units that people write: ``memory="8GiB", bandwidth="10Gbit/s"``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migkit.errors import ScenarioError
from migkit.guest.accelerator import Accelerator, parse_accelerator
from migkit.guest.content import Content
from migkit.host import DEFAULT_HOST, HostProfile
from migkit.host.contention import Contention
from migkit.network.link import Link
from migkit.network.link_text import written_link
from migkit.network.transport import Transport
from migkit.parameters import MigrationParameters
from migkit.parameters.capabilities import Capabilities
from migkit.records import record
from migkit.scenario.guest_text import guest_as_written
from migkit.scenario.iterables import HANDLERS, Handler, read_iterable
from migkit.scenario.observation import observation_s
from migkit.scenario.scenario import Scenario
from migkit.scenario.timeline import TimelineItem
from migkit.scenario.timeline_text import written_timeline
from migkit.scenario.transport_text import parse_transport, with_disk
from migkit.units import parse_bytes, parse_duration, parse_rate
from migkit.workloads import Workload
from migkit.workloads.text import parse_workload

__all__ = ["WrittenScenario", "build_from"]


@dataclass(frozen=True, kw_only=True)
class WrittenScenario:
    """A scenario of a ``pc`` guest, as people write it.

    Parameters
    ----------
    memory : str or int
        Guest memory: ``"8GiB"``, or bytes.
    workload : str or Workload
        Such as ``"uniform:20000"`` (`migkit.workloads.text.FORMS`), or a specification.
    vcpus : int
        How many vCPUs share the workload's writes.
    cpu_per_write : str, optional
        CPU time the program needs for a page write: ``"90us"``; the host profile's if left out.
    accelerator : str or Accelerator
        As for QEMU's ``-accel``: ``"kvm,dirty-ring-size=4096"``
        (`migkit.guest.accelerator.parse_accelerator`).
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
    parameters : mapping
        Further parameters, QEMU's names and values.
    timeline : iterable of TimelineItem or mapping
        Further commands; a mapping may say ``at`` and ``after`` as ``"3s"``.
    link_bandwidth, link_latency : str, optional
        The physical link; the host profile's if left out.
    link : mapping
        More of it, `migkit.network.link_text.link_values`: ``{"jitter": "2ms", "loss": "0.1%"}``.
    link_profile : str, optional
        Its bandwidth over time: ``"0s:1Gbit/s,5s:100Mbit/s"``.
    contention : Contention or mapping
        ``source`` and ``destination``, percent of the undisturbed costs.
    multifd_flush_after_each_section : bool
        QEMU's property of that name.
    host : str or HostProfile
        Costs of the machine.
    iterables : iterable of IterableHandler, DirtyBitmap, VfioDevice or mapping
        Other handlers beside RAM; a mapping says its ``kind``: generic, dirty-bitmap, vfio.
    images_locked : bool
        Whether the guest has disks with locked images.
    transport : str or Transport
        ``"tcp"``, ``"file"``, ``"file,offset=1MiB"`` or ``"exec"``.
    disk_bandwidth, disk_cache : str, optional
        Of a file: what its disk takes, and what waits for it in memory; the host profile's if
        left out.
    runstate : {"running", "paused", "prelaunch"}
        State of the VM when ``migrate`` is taken.
    memory_shared : bool
        Whether the memory is a file that both sides map (``share=on``).
    nonzero_percent : float, optional
        Share of the memory, from its start, that holds data beside the working set, 0..100 %. An
        idle workload without ``pages=`` has no working set then. Left out: only the working set
        holds data, which is all of the memory where the workload names no ``pages=``.
    content : str or Content, optional
        What is in the pages, all of the memory's: ``"zero:30%,random:50%,compressible(3):20%"``
        (`migkit.guest.content_text.CONTENT_FORMS`). Left out: random data, where there is data.
    seed : int
        Seed; also the workload's, if that is a text that names none.
    observe_for : str, optional
        When observation ends. Left out: after thirty sweeps of memory at the bandwidth limit, 60 s
        at least, so that a migration that never converges ends too.
    workload_lead : str
        How long the program has run when ``migrate`` is taken.
    qemu_version, name, description : str
        See `Scenario`.
    """

    memory: str | int = "1GiB"
    workload: str | Workload = "idle"
    vcpus: int = 1
    cpu_per_write: str | None = None
    accelerator: str | Accelerator = "tcg"
    bandwidth: str | int | None = None
    downtime_limit: str | None = None
    postcopy_bandwidth: str | int | None = None
    rule: str = "after"
    postcopy_at: str | None = None
    capabilities: Iterable[str] | Mapping[str, bool] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeline: Iterable[TimelineItem | Mapping[str, Any]] = ()
    link_bandwidth: str | int | None = None
    link_latency: str | None = None
    link: Mapping[str, Any] = field(default_factory=dict)
    link_profile: str | None = None
    contention: Contention | Mapping[str, Any] = field(default_factory=Contention)
    multifd_flush_after_each_section: bool = False
    host: str | HostProfile = DEFAULT_HOST
    iterables: Iterable[Handler | Mapping[str, Any]] = ()
    images_locked: bool = False
    transport: str | Transport = "tcp"
    disk_bandwidth: str | int | None = None
    disk_cache: str | int | None = None
    runstate: str = "running"
    memory_shared: bool = False
    nonzero_percent: float | None = None
    content: str | Content | None = None
    seed: int = 1
    observe_for: str | None = None
    workload_lead: str = "0s"
    qemu_version: str = "10.2.2"
    name: str = "scenario"
    description: str = ""

    def __post_init__(self) -> None:
        """Check that tables are tables and lists are lists."""
        if not isinstance(self.parameters, Mapping):
            raise ScenarioError.of(
                f"parameters {self.parameters!r}", "not a table", "give names and values"
            )
        for name in ("timeline", "iterables", "capabilities"):
            value = getattr(self, name)
            if not isinstance(value, Iterable):
                raise ScenarioError.of(f"{name} {value!r}", "not a list", "give a list")

    def scenario(self) -> Scenario:
        """Make the scenario.

        Returns
        -------
        Scenario
            The exact form.

        Raises
        ------
        InputError
            At the first value that is not valid.
        """
        host = self.host if isinstance(self.host, HostProfile) else HostProfile.load(self.host)
        transport = parse_transport(self.transport)
        host = with_disk(host, transport, self.disk_bandwidth, self.disk_cache)
        link = _link(host.link, self)
        parameters = _parameters(self)
        memory_bytes = parse_bytes(self.memory, "memory")
        workload = _workload(self.workload, self.seed)
        timeline = written_timeline(self.timeline, self.postcopy_at, self.link_profile)
        lead_ns = parse_duration(self.workload_lead, "workload_lead")
        guest = guest_as_written(self, memory_bytes, workload)
        there = link if transport.has_destination else host.storage
        rates = (parameters.max_bandwidth_bytes_per_s, there.bandwidth_bytes_per_s)
        return Scenario(
            guest=guest.with_shared_memory() if self.memory_shared else guest,
            workload=workload,
            capabilities=_capabilities(self.capabilities, postcopy=self.postcopy_at is not None),
            parameters=parameters,
            timeline=timeline,
            host=host,
            link=link,
            completion_rule=self.rule,
            qemu_version=self.qemu_version,
            iterables=tuple(
                item if isinstance(item, HANDLERS) else read_iterable(item)
                for item in self.iterables
            ),
            name=self.name,
            description=self.description,
            seed=self.seed,
            observe_for_s=observation_s(self.observe_for, memory_bytes, rates, timeline),
            workload_lead_s=lead_ns / 1e9,
            contention=_contention(self.contention),
            images_locked=self.images_locked,
            accelerator=_accelerator(self.accelerator),
            multifd_flush_after_each_section=self.multifd_flush_after_each_section,
            transport=transport,
            runstate=self.runstate,
        )


def build_from(values: Mapping[str, Any]) -> Scenario:
    """Make a scenario from the fields of `WrittenScenario`.

    Parameters
    ----------
    values : mapping
        Fields by name; what is left out has its default.

    Returns
    -------
    Scenario
        The scenario.

    Raises
    ------
    InputError
        If a name is not known (the nearest is suggested), or a value not valid.
    """
    return record(WrittenScenario, values, "scenario", ScenarioError).scenario()


def _link(link: Link, written: WrittenScenario) -> Link:
    own: dict[str, Any] = {}
    if written.link_bandwidth is not None:
        own["bandwidth"] = parse_rate(written.link_bandwidth, "link_bandwidth")
    if written.link_latency is not None:
        own["latency_ns"] = parse_duration(written.link_latency, "link_latency")
    return written_link(written_link(link, own), written.link)


def _contention(written: Contention | Mapping[str, Any]) -> Contention:
    if isinstance(written, Contention):
        return written
    short = {"source": "source_percent", "destination": "destination_percent"}
    if isinstance(written, Mapping):
        written = {short.get(name, name): value for name, value in written.items()}
    return record(Contention, written, "contention", ScenarioError)


def _parameters(written: WrittenScenario) -> MigrationParameters:
    """Join the parameters that have their own unit with those by QEMU's name."""
    own: dict[str, int] = {}
    if written.bandwidth is not None:
        own["max-bandwidth"] = parse_rate(written.bandwidth, "bandwidth")
    if written.downtime_limit is not None:
        own["downtime-limit"] = _milliseconds(written.downtime_limit)
    if written.postcopy_bandwidth is not None:
        rate = parse_rate(written.postcopy_bandwidth, "postcopy_bandwidth")
        own["max-postcopy-bandwidth"] = rate
    given = dict(written.parameters)
    for name in own:
        if name in given:
            raise ScenarioError.of(
                f"parameter {name} {given[name]}", "given twice", "give it once"
            )
    return MigrationParameters.from_qmp({**given, **own})


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


def _accelerator(written: str | Accelerator) -> Accelerator:
    return written if isinstance(written, Accelerator) else parse_accelerator(written)


def _capabilities(given: Iterable[str] | Mapping[str, bool], *, postcopy: bool) -> Capabilities:
    on = Capabilities.from_qmp(given) if isinstance(given, Mapping) else Capabilities(given)
    return Capabilities([*on, "postcopy-ram", "return-path"]) if postcopy else on
