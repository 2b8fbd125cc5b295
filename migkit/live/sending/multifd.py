"""Multifd channels of the source: a thread for each writes packets of up to 128 pages.

Source: migration/multifd.c (multifd_send, multifd_send_thread, multifd_send_sync_main),
migration/multifd-nocomp.c (multifd_queue_page, multifd_ram_flush_and_sync).
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from migkit.stream.wire import MULTIFD_PACKET_BYTES

from .counted import Counted
from .guest_image import GuestImage
from .multifd_channels import MultifdChannel
from .trail import Trail

__all__ = ["Multifd"]

Pages = npt.NDArray[np.int64]
_Job = tuple[int, Pages] | str
_NONE: Pages = np.empty(0, np.int64)


class Multifd:
    """Sends pages through several channels at once.

    Parameters
    ----------
    channels : iterable of MultifdChannel
        See `packet_channels` and `file_channels`.
    image : GuestImage
        Whose pages they are.
    counted : Counted
        Told of bytes and pages.
    trail : Trail
        Told of syncs.
    """

    def __init__(
        self,
        channels: Iterable[MultifdChannel],
        image: GuestImage,
        counted: Counted,
        trail: Trail,
    ) -> None:
        self._image, self._counted, self._trail = image, counted, trail
        self._numbers = itertools.count()
        self._counting = threading.Lock()
        self._block, self._batch = 0, _NONE
        self._turn = 0
        self._error: Exception | None = None
        self._channels: list[MultifdChannel] = []
        for channel in channels:
            self._count(channel.greeting_bytes)
            self._channels.append(channel)
        self._jobs: list[queue.Queue[_Job]] = [queue.Queue(1) for _ in self._channels]
        self._threads = [
            threading.Thread(target=self._run, args=entry, name=f"mig/src/send_{number}")
            for number, entry in enumerate(zip(self._channels, self._jobs, strict=True))
        ]
        self._most = MULTIFD_PACKET_BYTES // image.page_size

    def start(self) -> None:
        """Let the threads begin."""
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def check(self) -> None:
        """Raise what a channel's thread met."""
        if self._error is not None:
            raise self._error

    def give(self, block: int, pages: Pages) -> None:
        """Let pages of a block wait until a packet of them is full.

        Parameters
        ----------
        block : int
            Number of the RAM block.
        pages : array of int64
            Pages within it.
        """
        if block != self._block:
            self._send_batch()
            self._block = block
        self._batch = np.concatenate([self._batch, pages])
        while len(self._batch) > self._most:
            self._hand_over((self._block, self._batch[: self._most]))
            self._batch = self._batch[self._most :]

    def flush_and_sync(self) -> None:
        """Send what waits and a SYNC on every channel, and wait until they are written."""
        self._send_batch()
        for jobs in self._jobs:
            jobs.put("sync")
        for jobs in self._jobs:
            jobs.join()
        self._trail.add("multifd_send_sync_main", packet_num=self._last())
        self.check()

    def close(self) -> None:
        """End the threads and the channels."""
        for jobs in self._jobs:
            jobs.put("end")
        for thread, channel in zip(self._threads, self._channels, strict=True):
            if thread.is_alive():
                thread.join(10)
            channel.close()

    def shutdown(self) -> None:
        """Break the channels, so that no thread waits for the destination any more."""
        for channel in self._channels:
            channel.shutdown()

    def _last(self) -> int:
        number = next(self._numbers)
        self._numbers = itertools.count(number)
        return number

    def _send_batch(self) -> None:
        if len(self._batch):
            self._hand_over((self._block, self._batch))
            self._batch = _NONE

    def _hand_over(self, job: _Job) -> None:
        """Give a packet to the next channel that has none, in turn; wait where all have."""
        count = len(self._jobs)
        free = (self._turn + step for step in range(count))
        for number in free:
            try:
                self._jobs[number % count].put_nowait(job)
            except queue.Full:
                continue
            self._turn = number + 1
            return self.check()
        self._jobs[self._turn % count].put(job)
        self._turn += 1
        return self.check()

    def _run(self, channel: MultifdChannel, jobs: queue.Queue[_Job]) -> None:
        while (job := jobs.get()) != "end":
            try:
                if self._error is None:
                    self._do(channel, job)
            except Exception as error:  # whatever it is: nobody may wait for this thread
                self._error = error
            finally:
                jobs.task_done()

    def _do(self, channel: MultifdChannel, job: _Job) -> None:
        number = next(self._numbers)
        if isinstance(job, str):
            self._count(channel.sync(number))
            return
        zero = self._image.zero[self._image.blocks[job[0]].first_page + job[1]]
        normal = int((~zero).sum())
        with self._counting:
            self._counted.normal_pages += normal
            self._counted.zero_pages += len(zero) - normal
        self._count(channel.write(number, job[0], job[1], zero))

    def _count(self, sent_bytes: int) -> None:
        with self._counting:
            self._counted.multifd_bytes += sent_bytes
