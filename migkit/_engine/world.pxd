# Everything that has a value while a migration runs; see migkit/oracle/world.py for the meaning
# of each part. The functions of the other modules read and change it.

from libc.stdint cimport int64_t, uint64_t

from migkit._engine.bitmap cimport test
from migkit._engine.content cimport PageContent
from migkit._engine.packets cimport Senders
from migkit._engine.dirty_map cimport DirtyMap
from migkit._engine.channels cimport Channels
from migkit._engine.incoming cimport Incoming
from migkit._engine.dirty_log cimport DirtyLog
from migkit._engine.page_cache cimport PageCache
from migkit._engine.handlers cimport Acks, Handler
from migkit._engine.recorder cimport Table
from migkit._engine.sides cimport Sides
from migkit._engine.target cimport Release, Shared, Snapshot, Target
from migkit._engine.types cimport EVENT_COUNT
from migkit._engine.vcpus cimport Vcpus
from migkit._engine.writers cimport Writer

cdef enum:
    MAX_BLOCKS = 1024
    MAX_HANDLERS = 256
    POLL_WORK = 1 << 18     # steps of some ten nanoseconds between two looks at Ctrl-C


# Constants of the host: times in ns unless the name says ps (picoseconds).
cdef struct Host:
    int64_t clock_phase_ns
    int64_t thread_start_ns
    int64_t setup_ns
    int64_t pass_ns
    int64_t section_ns
    int64_t sweep_ns
    int64_t write_ns
    int64_t normal_page_ns
    int64_t sparse_page_ns
    int64_t zero_page_ns
    int64_t first_touch_page_ns
    int64_t destination_page_ns
    int64_t destination_zero_page_ns
    int64_t place_page_ns
    int64_t sync_fixed_ns
    int64_t sync_page_ps
    int64_t sync_first_ns
    int64_t limiter_wake_ns
    int64_t vm_stop_ns
    int64_t load_ns
    int64_t device_state_ns
    int64_t discard_command_ns
    int64_t package_ns
    int64_t package_load_ns
    int64_t postcopy_end_ns
    int64_t guest_write_ns
    int64_t fault_ns
    int64_t vcpu_wake_ns
    int64_t preempt_channel_ns
    int64_t throttle_timer_ns
    int64_t held_segment_ns


cdef enum:              # zero-page-detection
    DETECT_NONE = 0
    DETECT_LEGACY = 1
    DETECT_MULTIFD = 2


# What migrate-set-parameters changes in a running migration: as it is now, or the values of a
# command, -1 where it names none.
cdef struct Parameters:
    int64_t downtime_limit_ms
    int64_t max_bandwidth
    int64_t max_postcopy_bandwidth
    int64_t avail_switchover_bandwidth
    int64_t throttle_trigger_threshold
    int64_t cpu_throttle_initial
    int64_t cpu_throttle_increment
    int64_t cpu_throttle_tailslow
    int64_t max_cpu_throttle
    int64_t zero_page_detection
    int64_t vcpu_dirty_limit
    int64_t dirty_limit_period_ms
    int64_t xbzrle_cache_size


cdef struct DirtyLimit:     # capability dirty-limit
    bint possible, in_service
    int64_t quota, period_ms    # in force; of the running measurement
    int64_t measure_ns      # when the running measurement is over; INT64_MAX without one
    bint waits              # for sleeping vCPUs, to read their rings
    int64_t largest         # rate ever adjusted to, MB/s


cdef struct TimelineItem:
    int64_t at_ns
    int64_t at_state
    int64_t at_event
    int64_t after_ns
    int64_t command
    int64_t asked_state
    bint to_destination
    bint fired
    Parameters changes          # of migrate-set-parameters
    # New values of link-change; -1 = not named.
    int64_t link_bandwidth
    int64_t latency_ns
    int64_t back_ns
    int64_t jitter_ns
    int64_t loss


cdef class World:
    # inputs
    cdef Host host
    cdef Parameters parameters
    cdef bint rule_after, has_postcopy_device, postcopy_ram, postcopy_possible, has_return_path
    cdef bint postcopy_preempt, postcopy_page_hint, clock_drawn, executed
    cdef bint auto_converge, pause_before_switchover
    cdef int64_t machine_name_bytes, device_state_bytes, vmdesc_bytes, early_device_state_bytes
    cdef int64_t link_bandwidth, send_buffer_bytes, recovery_link_bandwidth
    cdef Channels net
    cdef Sides sides
    cdef int64_t observe_ns
    cdef Target target
    cdef Shared shared
    cdef Release release
    cdef Snapshot snapshot
    cdef int64_t configuration_bytes
    cdef int blocks, handler_count, vcpus
    cdef int64_t block_start[MAX_BLOCKS + 1]
    cdef int64_t block_name_bytes[MAX_BLOCKS]
    cdef Handler handlers[MAX_HANDLERS]
    cdef Acks acks
    cdef bint exact_each_pass       # each pass of precopy asks for exact sizes
    cdef bint counts_last_sync      # a sync of the stopped guest counts (before 11.1)
    cdef bint completes_all         # no handler is left out when postcopy ends (since 10.1)
    cdef TimelineItem *timeline
    cdef int timeline_count
    cdef int detection_changes      # of zero-page-detection, to come: each page looks for them
    cdef int64_t *always_dirty
    cdef int always_dirty_count
    cdef int64_t *limiter_late      # equally likely lateness of a wake-up, none without noise
    cdef int limiter_late_count
    cdef uint64_t noise_key
    # clock and state
    cdef int64_t t, start_ms
    cdef int64_t state, destination_state
    cdef bint finished, abandoned, interrupted
    cdef int64_t work, polled_work
    cdef object progress
    cdef object failure             # an exception of a callback, raised after the run
    # stream and link
    cdef int64_t buffer_used, vector_entries, pending_bytes, transferred, batch_service_ns
    cdef int64_t drain_end, cut_ns
    cdef bint tail_is_buffer, error
    # window
    cdef int64_t iteration_start_ms, window_initial_bytes, window_initial_pages
    cdef int64_t rate_limit_start, rate_limit_max, threshold_size, expected_downtime_ms
    cdef double mbps, pages_per_second
    cdef bint start_postcopy, continue_asked, resume_asked, recover_asked
    cdef int64_t wakes
    cdef int64_t setup_time_ms, downtime_start_ns, downtime_ms, total_time_ms
    cdef int64_t exact_queries_in_postcopy, package_bytes
    # RAM: pages are numbered through all blocks
    cdef uint64_t *bmap
    cdef uint64_t *log
    cdef DirtyMap dirty_map         # of bmap; bits are set through it, or marked in it
    cdef DirtyMap log_map           # of log
    cdef uint64_t *missing
    cdef PageContent content
    cdef PageCache xbzrle           # None while the capability is off
    cdef int64_t total_pages, words, dirty_pages
    cdef int last_seen_block, last_sent_block
    cdef int64_t last_page
    cdef bint swept
    cdef int64_t burst_writes       # how many writes at once were possible last time
    cdef int64_t normal_pages, zero_pages, precopy_bytes, downtime_bytes, postcopy_bytes
    cdef int64_t dirty_sync_count, last_sync_ms, exact_syncs, period_dirty_pages
    cdef int64_t period_transferred, dirty_bytes_last_sync, dirty_pages_rate
    cdef int64_t dirty_rate_high_count, throttle_percentage, timer_ns, timer_previous_count
    cdef int64_t throttle_tick_ns, throttle_sleep_end_ns
    # guest
    cdef bint vm_running, vm_was_running    # the latter: when `migrate` was taken
    cdef int64_t guest_run_ns, guest_mark_ns, guest_progress_ns
    cdef Writer writer
    cdef Vcpus cpus
    cdef DirtyLog dirty_log
    cdef DirtyLimit dirty_limit
    # destination
    cdef int64_t destination_runs_ns, package_loaded_ns
    cdef Incoming incoming
    cdef int64_t postcopy_requests
    # postcopy's second channel
    cdef int64_t first_pong_ns, urgent_free_ns, urgent_drain_end
    cdef int urgent_last_block, hint_block
    cdef int64_t hint_page          # where the background sweep goes on; -1: where it was
    # multifd
    cdef Senders *multifd          # NULL without the capability
    # recording
    cdef int64_t event_ns[EVENT_COUNT]
    cdef Table events, iterations, rounds, windows, faults, commands, sections

    # Pages sent, those among them that were found unchanged (ram_get_total_transferred_pages).
    cdef inline int64_t pages_sent(self) noexcept nogil:
        cdef int64_t hits = 0
        if self.xbzrle is not None:
            hits = self.xbzrle.hits
        return self.normal_pages + self.zero_pages + hits

    # Whether the migration thread looks for zero pages: with multifd only the old way.
    cdef inline bint detects(self) noexcept nogil:
        if self.multifd == NULL:
            return self.parameters.zero_page_detection != DETECT_NONE
        return self.parameters.zero_page_detection == DETECT_LEGACY

    # Whether the migration thread would find a page to be zero now.
    cdef inline bint finds_zero(self, int64_t page) noexcept nogil:
        return self.detects() and test(self.content.zero, page)

    # The pages that it would find to be zero now, for `bitmap.take`.
    cdef inline const uint64_t *zero_class(self) noexcept nogil:
        return self.content.zero if self.detects() else NULL

    cdef int64_t now_ms(self) noexcept nogil
    cdef bint in_postcopy(self) noexcept nogil
    cdef void emit(self, int event, int64_t a=*, int64_t b=*, int64_t c=*, int64_t d=*,
                   int64_t e=*) noexcept nogil
    cdef void emit_at(self, int64_t at, int event, int64_t a=*, int64_t b=*,
                      int64_t c=*) noexcept nogil
    cdef void set_state(self, int64_t state) noexcept nogil
    cdef void set_state_at(self, int64_t state, int64_t at) noexcept nogil
    cdef bint poll(self, int64_t work) noexcept nogil
    cdef void out_of_memory(self) noexcept nogil
