"""Handlers that are not RAM: what they have left, and what they write.

Dirty bitmaps: migration/block-dirty-bitmap.c. VFIO devices: hw/vfio/migration.c.
"""

from libc.stdint cimport int64_t

from migkit._engine.handlers cimport KIND_BITMAPS, KIND_VFIO, Bitmap, Handler
from migkit._engine.stream cimport flush, over_budget, put
from migkit._engine.world cimport World

cdef enum:
    CHUNK_BITS = 8192           # 1 KiB of bitmap
    TAG_BYTES = 8
    CONFIG_TAGS_BYTES = 16
    BLOCK_HEADER_BYTES = 16     # tag and size
    NS_PER_S = 1_000_000_000

cdef extern from *:
    """
    #define MIGKIT_ASSUMED_STOP_COPY_BYTES (100LL << 30)
    """
    int64_t ASSUMED_STOP_COPY_BYTES "MIGKIT_ASSUMED_STOP_COPY_BYTES"


cdef int64_t setup_bytes(World w, Handler *h) noexcept nogil:
    """Return what a handler writes between the header and the footer of its START section."""
    cdef int64_t count = 1, number
    if h.kind == KIND_VFIO:
        query_precopy(w, h)
        return 2 * TAG_BYTES
    if h.kind != KIND_BITMAPS:
        return 0
    for number in range(h.bitmap_count):
        count += record_bytes(h, number) + 4 + 1
    return count


cdef int64_t record_bytes(Handler *h, int64_t number) noexcept nogil:
    """Return flags and names of a bitmap's next record: a name goes when it is another one."""
    cdef int64_t count = 1, previous = h.previous
    if number != previous:
        count += 1 + h.bitmaps[number].name_bytes
        if previous < 0 or h.bitmaps[previous].node != h.bitmaps[number].node:
            count += 1 + h.bitmaps[number].node_bytes
    h.previous = number
    return count


cdef void pending(World w, bint exact, int64_t *must, int64_t *can) noexcept nogil:
    """Add the bytes left: those that must go in precopy and those that can go in postcopy."""
    cdef int index
    cdef Handler *h
    for index in range(w.handler_count):
        h = &w.handlers[index]
        if h.kind == KIND_BITMAPS:
            can[0] += bits_left(h)
        elif h.kind == KIND_VFIO:
            must[0] += vfio_exact(w, h) if exact else vfio_estimate(w, h)
        elif h.postcopiable:
            can[0] += h.remaining
        else:
            must[0] += h.remaining


cdef int64_t bits_left(Handler *h) noexcept nogil:
    """Return the bits still to send, which QEMU counts as bytes."""
    cdef int64_t left = 0, number
    for number in range(h.bitmap_count):
        left += max(h.bitmaps[number].bits - CHUNK_BITS * h.bitmaps[number].sent_chunks, 0)
    return left


cdef int64_t vfio_estimate(World w, Handler *h) noexcept nogil:
    """Return what the device said last of what it could send while it runs."""
    return h.cached_init + h.cached_dirty if h.precopy and w.vm_running else 0


cdef int64_t vfio_exact(World w, Handler *h) noexcept nogil:
    """Ask the device: all that it would give away if it were stopped now."""
    query_precopy(w, h)
    if h.query_fails:
        return ASSUMED_STOP_COPY_BYTES
    return h.stop_copy + h.init + h.dirty


cdef void query_precopy(World w, Handler *h) noexcept nogil:
    """Refresh what the device says it could send while it runs."""
    advance(w, h)
    if h.precopy and w.vm_running:
        h.cached_init = h.init
        h.cached_dirty = h.dirty


cdef void advance(World w, Handler *h) noexcept nogil:
    """Let the device dirty its state up to now; a stopped one does nothing, or never did."""
    cdef int64_t until = w.t if w.vm_running else max(w.downtime_start_ns, 0), made
    made = until // NS_PER_S * h.dirty_rate + until % NS_PER_S * h.dirty_rate // NS_PER_S
    h.dirty += made - h.made
    h.made = made
    if h.most_dirty > 0:
        h.dirty = min(h.dirty, h.most_dirty)


cdef bint iterates(World w, Handler *h) noexcept nogil:
    """Whether a handler takes part in this round (its is_active_iterate and has_postcopy)."""
    if h.kind == KIND_BITMAPS:
        return not w.vm_running
    if h.kind == KIND_VFIO:
        return h.precopy and w.vm_running
    return not w.in_postcopy() or h.postcopiable


cdef int64_t iterate(World w, Handler *h) noexcept nogil:
    """Send a handler's part of a round; return 1 when it has no more."""
    cdef bint done
    if h.kind == KIND_BITMAPS:
        done = send_bitmaps(w, h, True)
        write(w, h, 1)
        return done
    if h.kind == KIND_VFIO:
        return vfio_iterate(w, h)
    return send_bytes(w, h, min(h.chunk_bytes, h.remaining))


cdef int64_t complete(World w, Handler *h) noexcept nogil:
    """Send all that a handler has left (its save_complete hook)."""
    cdef int64_t count = 1, number
    if h.kind == KIND_BITMAPS:
        send_bitmaps(w, h, False)
        for number in range(h.bitmap_count):
            count += record_bytes(h, number)
        write(w, h, count)
        return 0
    if h.kind == KIND_VFIO:
        advance(w, h)
        while send_block(w, h, True) > 0 and not w.poll(1):
            pass
        write(w, h, TAG_BYTES)
        return 0
    return send_bytes(w, h, h.remaining)


cdef void write(World w, Handler *h, int64_t count) noexcept nogil:
    """Put bytes of a handler's section."""
    h.sent += count
    put(w, count)


cdef int64_t send_bytes(World w, Handler *h, int64_t count) noexcept nogil:
    """Write some of a generic handler's data; return 1 when it has no more."""
    spend(w, h, count)
    write(w, h, count)
    flush(w)
    h.remaining -= count
    return 1 if h.remaining == 0 else 0


cdef void spend(World w, Handler *h, int64_t count) noexcept nogil:
    """Take the time that some bytes of data cost."""
    w.t += count * h.byte_ps // 1000


cdef bint send_bitmaps(World w, Handler *h, bint limited) noexcept nogil:
    """Send chunks, in a round until the budget is used up; return whether all have gone."""
    cdef int64_t number
    for number in range(h.bitmap_count):
        while h.bitmaps[number].sent_chunks < h.bitmaps[number].chunks:
            send_chunk(w, h, number)
            if limited and over_budget(w):
                return False
    return True


cdef void send_chunk(World w, Handler *h, int64_t number) noexcept nogil:
    """Write one record: sector, count, and the bits unless all are zero."""
    cdef Bitmap *bitmap = &h.bitmaps[number]
    cdef int64_t count = record_bytes(h, number) + 8 + 4, bits, data
    if bitmap.holds[bitmap.sent_chunks]:
        bits = min(CHUNK_BITS, bitmap.bits - CHUNK_BITS * bitmap.sent_chunks)
        data = (bits + 255) // 256 * 32
        spend(w, h, data)
        count += 8 + data
    bitmap.sent_chunks += 1
    write(w, h, count)


cdef int64_t vfio_iterate(World w, Handler *h) noexcept nogil:
    """Send one block, and say when the initial data have gone (vfio_save_iterate)."""
    advance(w, h)
    note_sent(h, send_block(w, h, False))
    write(w, h, TAG_BYTES)
    if w.acks.capability and h.cached_init == 0 and not h.init_sent:
        h.init_sent = True
        w.acks.tags += 1
    return 1 if h.cached_init == 0 and h.cached_dirty == 0 else 0


cdef void note_sent(Handler *h, int64_t size) noexcept nogil:
    """Take a block off what is pending; an empty one says that nothing is."""
    cdef int64_t init = min(h.cached_init, size)
    if size == 0:
        h.cached_init = h.cached_dirty = 0
        return
    h.cached_init -= init
    h.cached_dirty -= min(h.cached_dirty, size - init)


cdef int64_t send_block(World w, Handler *h, bint stopped) noexcept nogil:
    """Read a block from the device and write it: initial data, dirty, what only a stop gives."""
    cdef int64_t init = min(h.init, h.buffer_bytes)
    cdef int64_t dirty = min(h.dirty, h.buffer_bytes - init)
    cdef int64_t rest = min(h.stop_copy, h.buffer_bytes - init - dirty) if stopped else 0
    cdef int64_t size = init + dirty + rest
    if size == 0:
        return 0
    h.init -= init
    h.dirty -= dirty
    h.stop_copy -= rest
    h.data += size
    spend(w, h, size)
    write(w, h, BLOCK_HEADER_BYTES + size)
    return size


cdef bint completes(World w, Handler *h) noexcept nogil:
    """Whether a handler ends together with postcopy: since 10.1 none is left out."""
    return h.postcopiable or w.completes_all


cdef int64_t config_bytes(Handler *h) noexcept nogil:
    """Return what a handler adds to the device state: a VFIO device's config space."""
    return CONFIG_TAGS_BYTES + h.config_bytes if h.kind == KIND_VFIO else 0
