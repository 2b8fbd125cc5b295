"""What pages of a guest that runs hold: a text of their own, and the counters of its writes.

Each vCPU has 16 bytes in every page: how many writes it made there, and the number of the last one
among all writes of the guest, from 1; little endian. A write reads them, counts, and writes them
back, so one that is lost anywhere, or done twice, is missed in the end.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from migkit._engine.writers import make_writer
from migkit.workloads import Workload

__all__ = ["COUNTER_BYTES", "ArenaCheck", "compare", "fill"]

COUNTER_BYTES = 16
COUNTERS = struct.Struct("<QQ")
_WORDS = COUNTER_BYTES // 8
_STEP = 1 << 12
_PAGE_FACTOR, _WORD_FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class ArenaCheck:
    """Memory of a guest beside what its writes must have left there.

    Attributes
    ----------
    writes : int
        Of all vCPUs, at both sides.
    written_pages : int
        Different pages that they went to.
    lost_writes : int
        Writes that a page does not have.
    wrong_pages : array of int64
        Pages that differ in anything.
    """

    writes: int
    written_pages: int
    lost_writes: int
    wrong_pages: npt.NDArray[np.int64]

    @property
    def whole(self) -> bool:
        """Whether nothing differs."""
        return not len(self.wrong_pages)


def fill(words: Words, touched: tuple[int, int], vcpus: int) -> None:
    """Write its text into each page of the working set; all counters are zero.

    Parameters
    ----------
    words : array of uint64, shape (pages, words)
        The memory.
    touched : (int, int)
        First page, and how many.
    vcpus : int
        How many have counters.
    """
    first, count = touched
    for at in range(first, first + count, _STEP):
        end = min(at + _STEP, first + count)
        words[at:end, vcpus * _WORDS :] = _text(at, end, vcpus * _WORDS, words.shape[1])


def _text(first: int, end: int, word: int, words: int) -> Words:
    pages = np.arange(first + 1, end + 1, dtype=np.uint64)[:, None] * _PAGE_FACTOR
    text: Words = pages ^ (np.arange(word, words, dtype=np.uint64) * _WORD_FACTOR)
    return text


def compare(words: Words, workload: Workload, positions: tuple[int, ...]) -> ArenaCheck:
    """Compare memory with what the writes of a workload must have left.

    Parameters
    ----------
    words : array of uint64, shape (pages, words)
        The memory of a guest that stands still.
    workload : Workload
        Fitted to it.
    positions : tuple of int
        For each vCPU, the number of the first write that it has not considered.

    Returns
    -------
    ArenaCheck
        What was found.
    """
    counters = _counters(len(words), workload, positions)
    first, count = workload.touched
    wrong = np.zeros(len(words), np.bool_)
    width = counters.shape[1]
    for at in range(0, len(words), _STEP):
        end = min(at + _STEP, len(words))
        due = np.zeros((end - at, words.shape[1]), np.uint64)
        low, high = max(at, first), min(end, first + count)
        if low < high:
            due[low - at : high - at, width:] = _text(low, high, width, words.shape[1])
        due[:, :width] = counters[at:end]
        wrong[at:end] = (words[at:end] != due).any(axis=1)
    made, found = counters[:, ::_WORDS], words[:, :width:_WORDS]
    lost = np.where(found < made, made - found, 0)
    return ArenaCheck(
        int(made.sum()),
        int(np.count_nonzero(made.any(axis=1))),
        int(lost.sum()),
        np.flatnonzero(wrong),
    )


def _counters(pages: int, workload: Workload, positions: tuple[int, ...]) -> Words:
    """Return what the counters of all pages must be."""
    vcpus = len(positions)
    written = _first_writes(workload, max(positions))
    counters = np.zeros((pages, vcpus * _WORDS), np.uint64)
    for vcpu, position in enumerate(positions):
        numbers = np.arange(vcpu, position, vcpus)
        here = written[numbers]
        counters[:, vcpu * _WORDS] = np.bincount(here, minlength=pages)
        counters[here, vcpu * _WORDS + 1] = numbers + 1  # they ascend: of a page's the last stays
    return counters


def _first_writes(workload: Workload, count: int) -> npt.NDArray[np.int64]:
    """Return the pages of the first writes of all."""
    writer = make_writer(workload)
    pages = np.zeros(count, np.int64)
    for number in range(count):
        found = writer.next_write()
        assert found is not None, "a guest cannot have made more writes than it has"
        pages[number] = found[1]
        writer.drop_write()
    return pages
