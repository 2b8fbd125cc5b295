"""Handlers that are not RAM, as they are before migration starts."""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free


cdef int take_handler(Handler *handler, item) except -1:
    """Copy the resolved inputs of a handler."""
    handler.kind = item["kind"]
    handler.section_id = item["section_id"]
    handler.name_bytes = len(item["name"].encode())
    handler.postcopiable = item["postcopiable"]
    handler.remaining = item["initial_bytes"]
    handler.chunk_bytes = item["chunk_bytes"]
    handler.byte_ps = item["byte_ps"]
    handler.precopy = item["precopy"]
    handler.query_fails = item["query_fails"]
    handler.init = item["init_bytes"]
    handler.dirty = item["dirty_bytes"]
    handler.stop_copy = item["stop_copy_bytes"]
    handler.dirty_rate = item["dirty_rate_bytes_per_s"]
    handler.most_dirty = item["most_dirty_bytes"]
    handler.buffer_bytes = item["buffer_bytes"]
    handler.config_bytes = item["config_bytes"]
    handler.previous = -1
    return take_bitmaps(handler, item["bitmaps"])


cdef int take_bitmaps(Handler *handler, bitmaps) except -1:
    """Copy the dirty bitmaps of block nodes, and which of their chunks hold bits."""
    cdef Bitmap *entry
    cdef int64_t chunk
    handler.bitmaps = <Bitmap *> calloc(len(bitmaps) + 1, sizeof(Bitmap))
    if handler.bitmaps == NULL:
        raise MemoryError
    for item in bitmaps:
        entry = &handler.bitmaps[handler.bitmap_count]
        entry.bits = item["bits"]
        entry.name_bytes = item["name_bytes"]
        entry.node_bytes = item["node_bytes"]
        entry.node = item["node"]
        entry.holds = <uint8_t *> calloc(len(item["chunks"]) + 1, 1)
        if entry.holds == NULL:
            raise MemoryError
        handler.bitmap_count += 1
        for chunk, holds in enumerate(item["chunks"]):
            entry.holds[chunk] = holds
        entry.chunks = len(item["chunks"])
    return 0


cdef void free_handler(Handler *handler) noexcept nogil:
    """Give back what a handler of dirty bitmaps holds."""
    cdef int64_t number
    for number in range(handler.bitmap_count):
        free(handler.bitmaps[number].holds)
    free(handler.bitmaps)
