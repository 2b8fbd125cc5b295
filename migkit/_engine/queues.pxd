# First in, first out: pairs of numbers in room that grows as it must.

from libc.stdint cimport int64_t


cdef struct Queue:          # all zero is an empty one
    int64_t *first
    int64_t *second
    int64_t head
    int64_t tail
    int64_t capacity
    bint lost               # a pair could not be stored: out of memory

cdef void push(Queue *queue, int64_t first, int64_t second) noexcept nogil
cdef void release(Queue *queue) noexcept nogil


cdef inline int64_t length(const Queue *queue) noexcept nogil:
    return queue.tail - queue.head


cdef inline void clear(Queue *queue) noexcept nogil:
    queue.head = queue.tail = 0
