# Fetching the dirty log, and what hangs on its one-second period.

from migkit._engine.types cimport SyncReason
from migkit._engine.world cimport World

cdef void bitmap_sync(World w, SyncReason reason) noexcept nogil
cdef void timer_sync(World w) noexcept nogil
