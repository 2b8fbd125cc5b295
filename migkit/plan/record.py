"""A scenario with everything resolved: what the engine and its oracle take.

Whole numbers, tuples and arrays only; nothing is left to decide. Pages are
numbered through all RAM blocks in scan order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migkit.host import HostProfile
from migkit.host.snapshot_costs import ReleaseCosts, SnapshotCosts
from migkit.plan.content import PlannedContent
from migkit.plan.dirty_log import DirtyLimitPlan, DirtyLogPlan
from migkit.plan.multifd import MultifdPlan
from migkit.plan.network import Network
from migkit.plan.postcopy import PostcopyPlan
from migkit.plan.target import TargetPlan
from migkit.plan.xbzrle import PlannedXbzrle
from migkit.workloads import Workload

__all__ = ["Plan"]


@dataclass(frozen=True, eq=False)
class Plan:
    """Resolved inputs of one simulated migration.

    Attributes
    ----------
    machine_name : str
        Machine type in the stream's configuration section.
    device_state_bytes, early_device_state_bytes, vmdesc_bytes : int
        Sections of devices saved in the switchover, and at setup; the JSON description with its
        5-byte header.
    block_names : tuple of str
        RAM blocks in scan order.
    block_id_bytes, block_pages : tuple of int
        Length of each block's id; pages of each block.
    nonzero_extents : tuple of (int, int)
        (First page, count) of pages that hold data, sorted, numbered through all blocks.
    always_dirty_pages : tuple of int
        Pages written without end while the guest runs.
    vcpus : int
        How many vCPUs take turns with the workload's writes.
    content : PlannedContent
        What is in the pages, and what is written into them.
    xbzrle : PlannedXbzrle or None
        The page cache; None where the capability is off.
    workload : Workload
        Fitted into the guest. Its pages count from page 0 of the first block.
    workload_lead_ns : int
        Guest time the workload has run when time 0 comes.
    dirty_log : DirtyLogPlan
        How writes are logged, fetched and cleared.
    dirty_limit : DirtyLimitPlan or None
        Capability dirty-limit; None when it is off.
    rule_after, has_postcopy_device : bool
        Completion rule since 10.1, not that up to 10.0; the state postcopy-device (since 10.2).
    postcopy_preempt, postcopy_page_hint : bool
        Whether requested pages go out on a channel of their own, and whether the background
        sweep goes on behind them: since 10.1, so not with the older rule.
    postcopy : PostcopyPlan
        What the destination accounts.
    zero_page_detection : int
        Position in QEMU's enum: none, legacy, multifd.
    postcopy_ram, postcopy_possible, has_return_path, pause_before_switchover, auto_converge : bool
        Capabilities, as far as they decide something; postcopy opens a return path by itself.
    images_locked, restarts_blindly : bool
        Whether the guest's images are locked by who uses them; whether a source restarts without
        a look at that (up to 10.0).
    switchover_ack, awaits_ack, acks_needed : bool, bool, int
        Capability; whether the source waits for the destination's ack; devices that have to ask
        for it first.
    completes_all : bool
        Whether postcopy ends with the END sections of all handlers (since 10.1).
    exact_each_pass, counts_last_sync : bool
        Whether every pass of precopy asks for exact sizes (11.1 with postcopy-ram); whether the
        sync of a stopped guest counts in dirty-sync-count (before 11.1).
    max_bandwidth_bytes_per_s, max_postcopy_bandwidth_bytes_per_s : int
        Limits; 0 is unlimited.
    avail_switchover_bandwidth_bytes_per_s : int
        Assumed bandwidth of the switchover; 0 is the measured one.
    downtime_limit_ms : int
        Downtime limit.
    throttle_trigger_threshold, cpu_throttle_initial, cpu_throttle_increment : int
        Auto-converge, percent; so is ``max_cpu_throttle``, and ``cpu_throttle_tailslow`` a bool.
    timeline : tuple of dict
        Items ordered by time: ``at_ns`` (-1: none), ``at_state`` (code or -1), ``at_event`` (code
        or -1), ``after_ns``, ``command`` (code), ``arguments`` (of migrate-set-parameters those
        that still have an effect, see `migkit.plan.changes`), ``asked_state`` (code),
        ``to_destination`` (bool).
    iterables : tuple of dict
        See `migkit.plan.handlers`: kind, name, section and what the kind needs.
    observe_ns : int
        When observation ends; -1: with the migration.
    link_bandwidth_bytes_per_s, recovery_link_bandwidth_bytes_per_s : int
        0 is as fast as the destination takes the pages.
    link_latency_ns, send_buffer_bytes : int
        One way; what the sockets hold.
    network : Network
        What else the link does to messages.
    seed : int
        Seed of everything random but the workload.
    host : HostProfile
        Costs of the machine.
    limiter_late_ns, noise_key : tuple of int, int
        What the limiter's wake-ups are drawn from, empty without noise; key of those draws.
    multifd : MultifdPlan or None
        What multifd takes; None when it is off.
    target : TargetPlan or None
        The file that the stream goes into; None when it goes to a destination.
    snapshot : SnapshotCosts or None
        Costs of background-snapshot; None when it is off.
    release : ReleaseCosts or None
        Costs of release-ram; None when it is off.
    vm_running, run_state : bool, int
        Whether the VM runs when ``migrate`` is taken, and the code of its state.
    lists_addresses : bool
        Whether the setup names each block's guest address (x-ignore-shared).
    ignored_blocks : tuple of int
        Blocks that stay behind: named in the setup, never sent.
    configuration_bytes : int
        Subsection of the stream's configuration that names capabilities.
    """

    machine_name: str
    device_state_bytes: int
    early_device_state_bytes: int
    vmdesc_bytes: int
    block_names: tuple[str, ...]
    block_id_bytes: tuple[int, ...]
    block_pages: tuple[int, ...]
    nonzero_extents: tuple[tuple[int, int], ...]
    always_dirty_pages: tuple[int, ...]
    vcpus: int
    content: PlannedContent
    xbzrle: PlannedXbzrle | None
    workload: Workload
    workload_lead_ns: int
    dirty_log: DirtyLogPlan
    dirty_limit: DirtyLimitPlan | None
    rule_after: bool
    has_postcopy_device: bool
    zero_page_detection: int
    postcopy_ram: bool
    postcopy_possible: bool
    has_return_path: bool
    postcopy_preempt: bool
    postcopy_page_hint: bool
    postcopy: PostcopyPlan
    pause_before_switchover: bool
    images_locked: bool
    restarts_blindly: bool
    switchover_ack: bool
    awaits_ack: bool
    acks_needed: int
    completes_all: bool
    exact_each_pass: bool
    counts_last_sync: bool
    auto_converge: bool
    max_bandwidth_bytes_per_s: int
    max_postcopy_bandwidth_bytes_per_s: int
    avail_switchover_bandwidth_bytes_per_s: int
    downtime_limit_ms: int
    throttle_trigger_threshold: int
    cpu_throttle_initial: int
    cpu_throttle_increment: int
    cpu_throttle_tailslow: bool
    max_cpu_throttle: int
    timeline: tuple[dict[str, Any], ...]
    iterables: tuple[dict[str, Any], ...]
    observe_ns: int
    link_bandwidth_bytes_per_s: int
    recovery_link_bandwidth_bytes_per_s: int
    link_latency_ns: int
    network: Network
    send_buffer_bytes: int
    seed: int
    host: HostProfile
    limiter_late_ns: tuple[int, ...]
    noise_key: int
    multifd: MultifdPlan | None
    target: TargetPlan | None
    snapshot: SnapshotCosts | None
    release: ReleaseCosts | None
    vm_running: bool
    run_state: int
    lists_addresses: bool
    ignored_blocks: tuple[int, ...]
    configuration_bytes: int
