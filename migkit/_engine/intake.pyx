"""From a plan to a world: the one place where Python values become C values."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc

from migkit._engine.bitmap cimport set_range, words_for
from migkit._engine.channels cimport CHANNELS
from migkit._engine.content cimport make_content
from migkit._engine.dirty_log cimport LOG_DIRTY_RING, LOG_MANUAL_PROTECT, lay_out_chunks
from migkit._engine.dirty_map cimport dirty_range, mark_all, take_marks
from migkit._engine.incoming cimport Incoming, prepare
from migkit._engine.packets cimport make_senders
from migkit._engine.page_cache cimport make_page_cache
from migkit._engine.handlers cimport take_handler
from migkit._engine.target_intake cimport take_target_fields
from migkit._engine.words cimport new_words
from migkit._engine.world cimport MAX_BLOCKS, MAX_HANDLERS, Parameters, TimelineItem, World
from migkit._engine.writers import make_writer


cdef World make_world(plan, progress):
    """Return a world at virtual time 0; `progress(t_ns)` is called now and then unless None."""
    cdef World w = World()
    w.progress = progress
    take_host(w, plan.host)
    take_options(w, plan)
    take_parameters(w, plan)
    take_network(w, plan.link_latency_ns, plan.network)
    take_noise(w, plan)
    take_blocks(w, plan)
    take_dirty_log(w, plan.dirty_log)
    take_dirty_limit(w, plan.dirty_limit)
    take_target_fields(w, plan)
    take_handlers(w, plan.iterables)
    take_timeline(w, plan.timeline)
    take_incoming(w, plan)
    if plan.multifd is not None:
        w.multifd = make_senders(plan)
    w.writer = make_writer(plan.workload, plan.workload_lead_ns)
    w.expected_downtime_ms = w.parameters.downtime_limit_ms
    return w


cdef int take_host(World w, host) except -1:
    """Copy the host profile's constants."""
    w.host.clock_phase_ns = host.clock_phase_ns
    w.host.thread_start_ns = host.thread_start_ns
    w.host.setup_ns = host.setup_ns
    w.host.pass_ns = host.pass_ns
    w.host.section_ns = host.section_ns
    w.host.sweep_ns = host.sweep_ns
    w.host.write_ns = host.write_ns
    w.host.normal_page_ns = host.normal_page_ns
    w.host.sparse_page_ns = host.sparse_page_ns
    w.host.zero_page_ns = host.zero_page_ns
    w.host.first_touch_page_ns = host.first_touch_page_ns
    w.host.destination_page_ns = host.destination_page_ns
    w.host.destination_zero_page_ns = host.destination_zero_page_ns
    w.host.place_page_ns = host.place_page_ns
    w.host.sync_fixed_ns = host.sync_fixed_ns
    w.host.sync_page_ps = host.sync_page_ps
    w.host.sync_first_ns = host.sync_first_ns
    w.host.limiter_wake_ns = host.limiter_wake_ns
    w.host.vm_stop_ns = host.vm_stop_ns
    w.host.load_ns = host.load_ns
    w.host.device_state_ns = host.device_state_ns
    w.host.discard_command_ns = host.discard_command_ns
    w.host.package_ns = host.package_ns
    w.host.package_load_ns = host.package_load_ns
    w.host.postcopy_end_ns = host.postcopy_end_ns
    w.host.guest_write_ns = host.guest_write_ns
    w.host.fault_ns = host.fault_ns
    w.host.vcpu_wake_ns = host.vcpu_wake_ns
    w.host.preempt_channel_ns = host.preempt_channel_ns
    w.host.throttle_timer_ns = host.throttle_timer_ns
    w.host.held_segment_ns = host.landing.held_segment_ns
    return 0


cdef int take_incoming(World w, plan) except -1:
    """Copy what the destination of a postcopy migration costs, and make it."""
    cdef Incoming *incoming = &w.incoming
    costs = plan.host.postcopy
    prepare(incoming, plan.vcpus, plan.postcopy.blocktime_in_ns)
    incoming.costs.page_ns = costs.page_ns
    incoming.costs.place_zero_page_ns = costs.place_zero_page_ns
    incoming.costs.socket_bytes = costs.socket_bytes
    incoming.costs.socket_wake_bytes = costs.socket_wake_bytes
    incoming.costs.discard_range_ns = costs.discard_range_ns
    incoming.costs.listen_ns = costs.listen_ns
    incoming.costs.request_ns = costs.request_ns
    incoming.costs.account_ns = costs.account_ns
    incoming.costs.delayed_ack_ns = costs.delayed_ack_ns
    incoming.costs.urgent_place_ns = costs.urgent_place_ns
    incoming.costs.connect_ns = costs.connect_ns
    return 0


cdef int take_options(World w, plan) except -1:
    """Copy rule, capabilities, parameters, link and machine."""
    w.rule_after = plan.rule_after
    w.completes_all = plan.completes_all
    w.exact_each_pass = plan.exact_each_pass
    w.counts_last_sync = plan.counts_last_sync
    w.acks.capability = plan.switchover_ack
    w.acks.awaited = plan.awaits_ack
    w.acks.needed = plan.acks_needed
    w.sides.images_locked = plan.images_locked
    w.sides.blindly = plan.restarts_blindly
    w.has_postcopy_device = plan.has_postcopy_device
    w.postcopy_ram = plan.postcopy_ram
    w.postcopy_possible = plan.postcopy_possible
    w.has_return_path = plan.has_return_path
    w.postcopy_preempt = plan.postcopy_preempt
    w.postcopy_page_hint = plan.postcopy_page_hint
    w.clock_drawn = plan.postcopy.clock_drawn
    w.auto_converge = plan.auto_converge
    w.pause_before_switchover = plan.pause_before_switchover
    w.configuration_bytes = plan.configuration_bytes
    w.vm_running = w.vm_was_running = plan.vm_running
    w.sides.source = w.sides.before = plan.run_state
    w.machine_name_bytes = len(plan.machine_name)
    w.device_state_bytes = plan.device_state_bytes
    w.early_device_state_bytes = plan.early_device_state_bytes
    w.vmdesc_bytes = plan.vmdesc_bytes
    w.link_bandwidth = plan.link_bandwidth_bytes_per_s
    w.send_buffer_bytes = plan.send_buffer_bytes
    w.recovery_link_bandwidth = plan.recovery_link_bandwidth_bytes_per_s
    w.observe_ns = plan.observe_ns
    w.vcpus = plan.vcpus
    return 0


cdef int take_parameters(World w, plan) except -1:
    """Copy the parameters that can change; those of the dirty limit come with it."""
    w.parameters.downtime_limit_ms = plan.downtime_limit_ms
    w.parameters.max_bandwidth = plan.max_bandwidth_bytes_per_s
    w.parameters.max_postcopy_bandwidth = plan.max_postcopy_bandwidth_bytes_per_s
    w.parameters.avail_switchover_bandwidth = plan.avail_switchover_bandwidth_bytes_per_s
    w.parameters.throttle_trigger_threshold = plan.throttle_trigger_threshold
    w.parameters.cpu_throttle_initial = plan.cpu_throttle_initial
    w.parameters.cpu_throttle_increment = plan.cpu_throttle_increment
    w.parameters.cpu_throttle_tailslow = plan.cpu_throttle_tailslow
    w.parameters.max_cpu_throttle = plan.max_cpu_throttle
    w.parameters.zero_page_detection = plan.zero_page_detection
    return 0


cdef int take_network(World w, int64_t latency_ns, network) except -1:
    """Copy what the link does to messages."""
    cdef int channel
    w.net.latency_ns = latency_ns
    w.net.back_ns = network.back_ns
    w.net.jitter_ns = network.jitter_ns
    w.net.loss = network.loss
    w.net.segment_bytes = network.segment_bytes
    w.net.timeout_ns = network.timeout_ns
    for channel in range(CHANNELS):
        w.net.key[channel] = network.keys[channel]
    return 0


cdef int take_noise(World w, plan) except -1:
    """Copy what wake-ups are drawn from."""
    w.noise_key = plan.noise_key
    w.limiter_late_count = len(plan.limiter_late_ns)
    w.limiter_late = <int64_t *> calloc(w.limiter_late_count + 1, sizeof(int64_t))
    if w.limiter_late == NULL:
        raise MemoryError
    for index, late_ns in enumerate(plan.limiter_late_ns):
        w.limiter_late[index] = late_ns
    return 0


cdef int take_blocks(World w, plan) except -1:
    """Lay out the blocks and their bitmaps: all dirty."""
    cdef int64_t pages
    if len(plan.block_pages) > MAX_BLOCKS:
        raise ValueError(
            f"{len(plan.block_pages)} RAM blocks; at most {MAX_BLOCKS} fit: merge some"
        )
    w.blocks = len(plan.block_pages)
    for index, pages in enumerate(plan.block_pages):
        w.block_start[index + 1] = w.block_start[index] + pages
        w.block_name_bytes[index] = plan.block_id_bytes[index]
    w.total_pages = w.dirty_pages = w.block_start[w.blocks]
    w.words = words_for(w.total_pages)
    w.bmap = new_words(w.words)
    w.log = new_words(w.words)
    w.missing = new_words(w.words)
    if take_marks(&w.dirty_map, w.bmap, w.total_pages) < 0 or (
        take_marks(&w.log_map, w.log, w.total_pages) < 0
    ):
        raise MemoryError(f"no memory for the marks of {w.total_pages} pages")
    with nogil:     # a terabyte's bitmaps are memory that the system has to find first
        set_range(w.bmap, 0, w.total_pages)
        mark_all(&w.dirty_map)
    w.content = make_content(plan)
    w.xbzrle = make_page_cache(plan)
    w.always_dirty_count = len(plan.always_dirty_pages)
    w.always_dirty = <int64_t *> calloc(w.always_dirty_count + 1, sizeof(int64_t))
    if w.always_dirty == NULL:
        raise MemoryError
    for index, pages in enumerate(plan.always_dirty_pages):
        w.always_dirty[index] = pages
    return 0


cdef int take_dirty_log(World w, plan) except -1:
    """Copy how the log works, and give it the bitmaps that its mode needs."""
    w.dirty_log.mode = plan.mode
    w.dirty_log.clear_shift = plan.clear_shift
    w.dirty_log.clears_to_the_end = plan.clears_to_the_end
    w.dirty_log.ring_with_bitmap = plan.ring_with_bitmap
    w.dirty_log.ring_entries = plan.ring_entries
    w.dirty_log.ring_limit = plan.ring_limit
    w.dirty_log.write_ns = plan.write_ns
    w.dirty_log.first_write_ns = plan.first_write_ns
    w.dirty_log.protect_page_ps = plan.protect_page_ps
    w.dirty_log.log_call_ns = plan.log_call_ns
    w.dirty_log.kick_vcpu_ns = plan.kick_vcpu_ns
    w.dirty_log.ring_full_exit_ns = plan.ring_full_exit_ns
    w.executed = plan.executed
    lay_out_chunks(&w.dirty_log, w.block_start, w.blocks)
    if plan.mode == LOG_MANUAL_PROTECT:
        w.dirty_log.fetched = new_words(w.words)
    elif plan.mode == LOG_DIRTY_RING:
        w.dirty_log.in_rings = new_words(w.words)
    if plan.initially_set:
        dirty_range(&w.log_map, 0, w.total_pages)
    return 0


cdef int take_dirty_limit(World w, plan) except -1:
    """Copy the limit, if there is one."""
    w.dirty_limit.possible = plan is not None
    if plan is not None:
        w.parameters.vcpu_dirty_limit = plan.quota_mb_per_s
        w.parameters.dirty_limit_period_ms = plan.period_ms
    return 0


cdef int take_handlers(World w, iterables) except -1:
    """Copy the iterables that are not RAM."""
    if len(iterables) > MAX_HANDLERS:
        raise ValueError(f"{len(iterables)} iterables; at most {MAX_HANDLERS} fit: use fewer")
    w.handler_count = len(iterables)
    for index, item in enumerate(iterables):
        take_handler(&w.handlers[index], item)
    return 0


cdef int take_timeline(World w, items) except -1:
    """Copy the timeline."""
    cdef TimelineItem *entry
    w.timeline_count = len(items)
    w.timeline = <TimelineItem *> calloc(w.timeline_count + 1, sizeof(TimelineItem))
    if w.timeline == NULL:
        raise MemoryError
    for index, item in enumerate(items):
        entry = &w.timeline[index]
        entry.at_ns = item["at_ns"]
        entry.at_state = item["at_state"]
        entry.at_event = item["at_event"]
        entry.after_ns = item["after_ns"]
        entry.command = item["command"]
        entry.asked_state = item["asked_state"]
        entry.to_destination = item["to_destination"]
        arguments = item["arguments"]
        take_changes(&entry.changes, arguments)
        w.detection_changes += entry.changes.zero_page_detection >= 0
        entry.link_bandwidth = arguments.get("bandwidth", -1)
        entry.latency_ns = arguments.get("latency_ns", 0)
        entry.back_ns = arguments.get("back_ns", 0)
        entry.jitter_ns = arguments.get("jitter_ns", 0)
        entry.loss = arguments.get("loss", 0)
    return 0


cdef int take_changes(Parameters *changes, arguments) except -1:
    """Copy what a command sets; -1 is not named."""
    changes.downtime_limit_ms = arguments.get("downtime-limit", -1)
    changes.max_bandwidth = arguments.get("max-bandwidth", -1)
    changes.max_postcopy_bandwidth = arguments.get("max-postcopy-bandwidth", -1)
    changes.avail_switchover_bandwidth = arguments.get("avail-switchover-bandwidth", -1)
    changes.throttle_trigger_threshold = arguments.get("throttle-trigger-threshold", -1)
    changes.cpu_throttle_initial = arguments.get("cpu-throttle-initial", -1)
    changes.cpu_throttle_increment = arguments.get("cpu-throttle-increment", -1)
    changes.cpu_throttle_tailslow = arguments.get("cpu-throttle-tailslow", -1)
    changes.max_cpu_throttle = arguments.get("max-cpu-throttle", -1)
    changes.zero_page_detection = arguments.get("zero-page-detection", -1)
    changes.vcpu_dirty_limit = arguments.get("vcpu-dirty-limit", -1)
    changes.dirty_limit_period_ms = arguments.get("x-vcpu-dirty-limit-period", -1)
    changes.xbzrle_cache_size = arguments.get("xbzrle-cache-size", -1)
    return 0
