"""Queues of pairs: what is on its way, and when it will be there."""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memmove


cdef void push(Queue *queue, int64_t first, int64_t second) noexcept nogil:
    """Append a pair; without memory it is dropped, and `lost` set."""
    if queue.tail == queue.capacity and not make_room(queue):
        queue.lost = True
        return
    queue.first[queue.tail] = first
    queue.second[queue.tail] = second
    queue.tail += 1


cdef bint make_room(Queue *queue) noexcept nogil:
    """Move the pairs to the front, or take more memory; False if there is none."""
    cdef int64_t wanted
    cdef int64_t *grown
    if queue.head > queue.capacity // 2:
        close_up(queue.first, queue.head, queue.tail)
        close_up(queue.second, queue.head, queue.tail)
        queue.tail -= queue.head
        queue.head = 0
        return True
    wanted = 2 * queue.capacity + 64
    grown = <int64_t *> realloc(queue.first, <size_t> wanted * sizeof(int64_t))
    if grown == NULL:
        return False
    queue.first = grown
    grown = <int64_t *> realloc(queue.second, <size_t> wanted * sizeof(int64_t))
    if grown == NULL:
        return False
    queue.second = grown
    queue.capacity = wanted
    return True


cdef void close_up(int64_t *cells, int64_t head, int64_t tail) noexcept nogil:
    """Move what is still in the queue to the front."""
    memmove(cells, cells + head, <size_t> (tail - head) * sizeof(int64_t))


cdef void release(Queue *queue) noexcept nogil:
    """Free a queue's memory."""
    free(queue.first)
    free(queue.second)
