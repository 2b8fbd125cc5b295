# A table that grows row by row without Python: what a run records.

from libc.stdint cimport int64_t


cdef class Table:
    cdef int64_t *cells
    cdef readonly Py_ssize_t columns
    cdef Py_ssize_t rows
    cdef Py_ssize_t capacity
    cdef bint lost          # a row could not be stored: out of memory

    cdef int64_t *new_row(self) noexcept nogil
