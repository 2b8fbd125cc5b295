# XBZRLE, the delta encoding of a page against its earlier self.

from libc.stdint cimport int64_t, uint8_t

cdef int64_t encode_page(const uint8_t *old, const uint8_t *fresh, int64_t size, uint8_t *out,
                         int64_t limit) noexcept nogil
cdef int64_t decode_page(const uint8_t *record, int64_t record_bytes, uint8_t *page,
                         int64_t size) noexcept nogil
