# Handlers that are not RAM, and the destination's ack of the switchover that some ask for.

from libc.stdint cimport int64_t, uint8_t

cdef enum Kind:
    KIND_GENERIC = 0
    KIND_BITMAPS = 1
    KIND_VFIO = 2


cdef struct Bitmap:
    int64_t bits, chunks, sent_chunks
    int64_t name_bytes, node_bytes, node
    uint8_t *holds              # one a chunk: whether a bit of it is set


cdef struct Handler:
    int64_t kind, section_id, name_bytes
    bint postcopiable
    int64_t remaining, chunk_bytes, byte_ps
    int64_t sent                # all it wrote after setup
    int64_t data                # of that, what a VFIO device gave away
    # dirty bitmaps
    Bitmap *bitmaps
    int64_t bitmap_count
    int64_t previous            # the bitmap of the last record; -1: none yet
    # a VFIO device
    bint precopy, query_fails, init_sent
    int64_t init, dirty, stop_copy, cached_init, cached_dirty
    int64_t dirty_rate, most_dirty, made, buffer_bytes, config_bytes


cdef struct Acks:
    bint capability             # devices say when their initial data have gone
    bint awaited                # the source waits
    int64_t needed              # devices that have not said so
    int64_t tags                # such words in the buffer
    int64_t acked_ns            # when the source knows; -1: not yet

cdef int take_handler(Handler *handler, item) except -1
cdef void free_handler(Handler *handler) noexcept nogil
