# The dirty log: how a sync fetches it, and when it is cleared. The bits that the accelerator keeps
# (QEMU's slots with rings) are the world's `log`; migkit.oracle.dirty_log tells what they mean.

from libc.stdint cimport int64_t, uint64_t

from migkit._engine.dirty_map cimport DirtyMap

cdef enum LogMode:
    LOG_TCG = 0
    LOG_GET_AND_CLEAR = 1
    LOG_MANUAL_PROTECT = 2
    LOG_DIRTY_RING = 3

cdef struct DirtyLog:
    int mode
    int clear_shift
    bint clears_to_the_end, last_stage, ring_with_bitmap
    int64_t ring_entries, ring_limit
    # costs; ps are picoseconds
    int64_t write_ns, first_write_ns, protect_page_ps, log_call_ns, kick_vcpu_ns
    int64_t ring_full_exit_ns
    # what it owns
    uint64_t *fetched           # manual protection: fetched, not cleared yet
    uint64_t *in_rings          # rings: stands in one, not protected
    uint64_t *chunks            # the clear bitmaps of all blocks, one after the other
    int64_t *first_chunk        # where each begins; one more than there are blocks

# Lay out the clear bitmaps.
cdef int lay_out_chunks(DirtyLog *log, const int64_t *block_start, int blocks) except -1
cdef void free_log(DirtyLog *log) noexcept

# Merge the log into the bitmap: gives the bits that the bitmap did not have. Sets the clear
# bitmap; with manual protection the log stays.
cdef int64_t fetch(DirtyLog *log, DirtyMap *map, DirtyMap *bits, const int64_t *block_start,
                   int blocks) noexcept nogil

# Clear a chunk, pages [first, after): protect what was fetched. Gives how many pages that is.
cdef int64_t clear_fetched(DirtyLog *log, uint64_t *bits, int64_t first,
                           int64_t after) noexcept nogil
