"""Growing tables of int64 cells; the loop appends, Python takes them at the end."""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

import numpy as np


cdef class Table:
    """Table(columns)

    Rows of `columns` int64 cells. One owner, one thread at a time.
    """

    def __cinit__(self, Py_ssize_t columns):
        self.columns = columns
        self.cells = NULL

    def __dealloc__(self):
        free(self.cells)

    cdef int64_t *new_row(self) noexcept nogil:
        """Return a fresh row to fill; without memory the last row again, and set `lost`."""
        cdef Py_ssize_t wanted
        cdef int64_t *grown
        if self.rows == self.capacity:
            wanted = 2 * self.capacity + 64
            grown = <int64_t *> realloc(
                self.cells, <size_t> (wanted * self.columns) * sizeof(int64_t)
            )
            if grown == NULL:
                self.lost = True
                return self.cells + (self.rows - 1) * self.columns
            self.cells = grown
            self.capacity = wanted
        self.rows += 1
        return self.cells + (self.rows - 1) * self.columns

    def __len__(self):
        return self.rows

    def to_array(self):
        """Return the rows as an int64 array of shape (rows, columns)."""
        if self.lost:
            raise MemoryError("the recording does not fit into memory: record less or run shorter")
        out = np.empty((self.rows, self.columns), dtype=np.int64)
        cdef int64_t[:, ::1] view = out
        if self.rows > 0:
            memcpy(&view[0, 0], self.cells,
                   <size_t> (self.rows * self.columns) * sizeof(int64_t))
        return out
