# Fetching the dirty log, and what hangs on its one-second period.

from libc.stdint cimport int64_t

from migkit._engine.types cimport SyncReason
from migkit._engine.world cimport World

cdef void bitmap_sync(World w, SyncReason reason) noexcept nogil
cdef void timer_sync(World w) noexcept nogil
cdef int64_t clear_before_send(World w, int block, int64_t page) noexcept nogil
