"""Everything that has a value while a migration runs, in one place.

The functions of the other modules read and change a :class:`World`; it decides nothing itself.
QEMU keeps the same things in ``MigrationState``, ``RAMState``, ``QEMUFile`` and ``mig_stats``.
"""

from __future__ import annotations

from typing import Any

from migkit.oracle.codes import Event, RunState, State
from migkit.oracle.content import PageContent
from migkit.oracle.dirty_limit import NEVER, DirtyLimit
from migkit.oracle.dirty_log import DirtyLog
from migkit.oracle.handlers import make_handlers
from migkit.oracle.incoming import Incoming
from migkit.oracle.packets import Senders
from migkit.oracle.page_cache import PageCache
from migkit.oracle.vcpus import Vcpu
from migkit.oracle.writers import make_writer
from migkit.schema import RECORDING

PAGE_BYTES = 4096
DETECT_NONE, DETECT_LEGACY, DETECT_MULTIFD = 0, 1, 2  # zero-page-detection


class World:
    """State of one simulated migration (source, link, guest, destination).

    Parameters
    ----------
    plan : migkit.plan.Plan
        Resolved inputs; see :mod:`migkit.plan` for the meaning and unit of every field.
    """

    def __init__(self, plan: Any) -> None:
        self.plan = plan
        self.t = 0  # virtual time, ns
        self.start_ms = 0
        self.state = State.NONE
        self.destination_state = State.SETUP if plan.target is None else State.NONE
        self._init_sides()
        self.finished = False
        self.abandoned = False  # waits for a command that never comes
        self._init_stream()
        self._init_window()
        self._init_ram()
        self._init_guest()
        self._init_destination()
        self.multifd: Any = None if plan.multifd is None else Senders(plan.multifd)
        self.handlers = make_handlers(plan.iterables)
        self.acks_needed = plan.acks_needed  # devices that have not said they may switch over
        self.ack_tags = 0  # such words in the buffer
        self.acked_ns = -1  # when the source knows that all have
        self._init_target()
        self._init_snapshot()
        self.timeline = list(plan.timeline)
        self.fired: set[int] = set()  # items of the timeline that are done
        self.event_ns: dict[int, int] = {}  # when each event was last recorded
        self.postcopy_start_ns = -1
        self.complete_entry_ns = -1
        self.postcopy_pages = 0
        self.events: list[tuple[int, ...]] = []
        self.tables: dict[str, list[Any]] = {name: [] for name in RECORDING}

    def _init_sides(self) -> None:
        self.run_state_before = RunState(self.plan.run_state)  # when `migrate` was taken
        self.run_state = self.run_state_before
        there = self.plan.target is None
        self.destination_run_state = RunState.INMIGRATE if there else RunState.EXITED
        self.lock_held = False  # the big QEMU lock, by the migration thread
        self.lock_released_ns = 0
        self.connect_failed = False
        self.destination_failed_ns = -1
        self.whole_stream_ns = -1  # precopy: when the destination starts, if there is no cut
        self.iterables_arrive_ns = -1  # when the destination comes to the last of them
        self.devices_arrive_ns = -1  # and to the first device after them
        self.held_ns = 0  # how long the last segment is held back (Nagle)

    def _init_stream(self) -> None:
        self.buffer_used = 0
        self.vector_entries = 0
        self.tail_is_buffer = False
        self.pending_bytes = 0  # in the buffer and the vector, not yet written
        self.transferred = 0  # written: what the limiter, the window and query-migrate see
        self.error = False
        self.batch_service_ns = 0  # what the pending bytes will cost the destination
        self.drain_end = 0  # when the destination will have digested all that was written
        self.link_bandwidth = self.plan.link_bandwidth_bytes_per_s
        self.cut_ns = -1
        self.latency_ns = self.plan.link_latency_ns
        self.back_ns = self.plan.network.back_ns
        self.jitter_ns = self.plan.network.jitter_ns
        self.loss = self.plan.network.loss
        self.messages = [0, 0, 0]  # by channel
        self.last_arrival_ns = [0, 0, 0]

    def _init_window(self) -> None:
        self.iteration_start_ms = 0
        self.window_initial_bytes = 0
        self.window_initial_pages = 0
        self.rate_limit_start = 0
        self.rate_limit_max = 0
        self.threshold_size = 0
        self.mbps = 0.0
        self.pages_per_second = 0.0
        self.expected_downtime_ms = self.plan.downtime_limit_ms
        self.parameters = {
            "downtime-limit": self.plan.downtime_limit_ms,
            "max-bandwidth": self.plan.max_bandwidth_bytes_per_s,
            "max-postcopy-bandwidth": self.plan.max_postcopy_bandwidth_bytes_per_s,
            "avail-switchover-bandwidth": self.plan.avail_switchover_bandwidth_bytes_per_s,
            "throttle-trigger-threshold": self.plan.throttle_trigger_threshold,
            "cpu-throttle-initial": self.plan.cpu_throttle_initial,
            "cpu-throttle-increment": self.plan.cpu_throttle_increment,
            "cpu-throttle-tailslow": int(self.plan.cpu_throttle_tailslow),
            "max-cpu-throttle": self.plan.max_cpu_throttle,
            "zero-page-detection": self.plan.zero_page_detection,
        }
        if self.plan.dirty_limit is not None:
            self.parameters["vcpu-dirty-limit"] = self.plan.dirty_limit.quota_mb_per_s
            self.parameters["x-vcpu-dirty-limit-period"] = self.plan.dirty_limit.period_ms
        self.start_postcopy = False
        self.continue_asked = False
        self.setup_time_ms = 0
        self.wakes = 0  # of the rate limiter, counted while they are drawn
        self.downtime_start_ns = -1
        self.downtime_ms = 0
        self.total_time_ms = 0
        self.exact_queries_in_postcopy = 0
        self.package_bytes = 0
        self.resume_asked = False
        self.recover_asked = False

    def _init_ram(self) -> None:
        plan = self.plan
        self.block_start = [0]
        for pages in plan.block_pages:
            self.block_start.append(self.block_start[-1] + pages)
        self.total_pages = self.block_start[-1]
        self.bmap = bytearray(b"\1" * self.total_pages)
        for block in plan.ignored_blocks:  # nothing of a block that stays behind is dirty
            first, end = self.block_start[block : block + 2]
            self.bmap[first:end] = bytes(end - first)
        self.dirty_pages = self.migrated_pages = sum(self.bmap)
        self.content = PageContent(plan)
        self.xbzrle = PageCache(plan) if plan.xbzrle is not None else None
        self.swept = False  # the first sweep is over: the destination has seen every page
        self.dirty_log = DirtyLog(plan)
        self.dirty_limit = DirtyLimit()
        self.last_stage = False
        self.last_seen_block = 0
        self.last_page = 0  # pages are numbered through all blocks
        self.last_sent_block = -1
        self.normal_pages = 0
        self.zero_pages = 0
        self.precopy_bytes = 0
        self.downtime_bytes = 0
        self.postcopy_bytes = 0
        self.dirty_sync_count = 0
        self.last_sync_ms = 0
        self.exact_syncs = 0
        self.period_dirty_pages = 0
        self.period_transferred = 0
        self.dirty_bytes_last_sync = 0
        self.dirty_pages_rate = 0
        self.dirty_rate_high_count = 0
        self.throttle_percentage = 0
        self.throttle_tick_ns = 0  # from here on the vCPU sleeps and runs by that percentage
        self.throttle_sleep_end_ns = 0  # end of the sleep before that tick
        self.timer_ns = -1
        self.timer_previous_count = 0
        self.postcopy_requests = 0

    def _init_guest(self) -> None:
        self.vm_running = bool(self.plan.vm_running)
        self.guest_run_ns = 0  # time the vCPUs have been let run
        self.guest_mark_ns = 0  # virtual time up to which guest_run_ns counts
        self.guest_progress_ns = 0  # how far the program has come on its own clock
        self.writer = make_writer(self.plan.workload, self.plan.workload_lead_ns)
        self.executing = False  # the vCPUs' writes are played one by one
        self.vcpus: list[Vcpu] = []  # while they are
        self.reaper_ns = NEVER  # when the dirty rings are read next

    def _init_destination(self) -> None:
        self.missing = bytearray()  # 1 = the destination has not got this page
        self.incoming = Incoming(self.plan)
        self.destination_runs_ns = -1
        self.package_loaded_ns = -1
        self.first_pong_ns = 0
        self.urgent_free_ns = 0  # when the thread that answers requests is done
        self.urgent_drain_end = 0
        self.urgent_last_block = -1
        self.hint_block = 0
        self.hint_page = -1  # where the background sweep goes on; -1: where it was

    @property
    def pages_sent(self) -> int:
        """Pages sent, those among them that were found unchanged."""
        hits = 0 if self.xbzrle is None else self.xbzrle.hits
        return self.normal_pages + self.zero_pages + hits

    def _init_target(self) -> None:
        target = self.plan.target
        self.file_bytes = 0 if target is None else target.offset_bytes  # the file's length
        self.file_position = self.file_bytes  # where the stream goes on in it
        self.bitmap_offset: dict[int, int] = {}  # of each block, with mapped-ram
        self.pages_offset: dict[int, int] = {}
        self.file_pages: set[int] = set()  # pages at their own places in the file
        self.file_written: set[int] = set()  # and those it held once
        self.file_rewritten_pages = 0
        self.pages_to_release = 0  # pages of data in the vector, with release-ram
        self.released_pages = 0

    def note_in_file(self, page: int, holds_data: bool) -> None:
        """Note that the file holds the page from now on, or not any longer: it is zero."""
        if not holds_data:
            self.file_pages.discard(page)
            return
        self.file_rewritten_pages += page in self.file_written
        self.file_written.add(page)
        self.file_pages.add(page)

    def _init_snapshot(self) -> None:
        self.locked = bytearray()  # 1 = the guest cannot write this page yet
        self.vm_paused = False  # since the device state was saved
        self.snapshot_runs_ns = 0
        self.snapshot_vcpu_free_ns = 0
        self.snapshot_touches: list[int] = []  # pages the guest writes before anything else
        self.snapshot_fault: list[int] | None = None  # page, fault, sent times
        self.snapshot_buffer_bytes = 0

    def finds_zero(self, page: int) -> bool:
        """Whether the migration thread looks for zero pages, and finds this to be one.

        With multifd it does so the old way only (ram_save_target_page).
        """
        how = self.parameters["zero-page-detection"]
        looks = how == DETECT_LEGACY or (how == DETECT_MULTIFD and self.multifd is None)
        return looks and self.content.is_zero(page)

    def now_ms(self) -> int:
        """Read the millisecond clock the way QEMU does: truncated."""
        return (self.t + self.plan.host.clock_phase_ns) // 1_000_000

    def emit(self, event: Event, *arguments: int, at: int | None = None) -> None:
        """Record a trace event now, or at another time."""
        padded = arguments + (0,) * (5 - len(arguments))
        at = self.t if at is None else at
        self.event_ns[int(event)] = at
        self.events.append((at, int(event), *padded))

    def set_state(self, state: State, at: int | None = None) -> None:
        """Move to another migration state (migration.c migrate_set_state)."""
        self.state = state
        self.emit(Event.MIGRATE_SET_STATE, int(state), at=at)

    @property
    def in_postcopy(self) -> bool:
        """Whether the guest runs on the destination while pages are still missing there."""
        return self.state in (State.POSTCOPY_DEVICE, State.POSTCOPY_ACTIVE)
