"""The pages of the captures' guest, byte for byte.

Its program fills them with the numbers of its generator, 32 bits each; write n, from 1 on, puts
n as four bytes at offset (n & 511) * 8.
"""

from __future__ import annotations

from typing import Any

from migkit.oracle.draws import jump, xorshift32, xorshift32_start
from migkit.oracle.writers import make_writer

PAGE_BYTES = 4096
WORDS = 1024


def offset_of(number: int) -> int:
    """Return where write `number` goes in its page."""
    return (number & 511) * 8


class ProgramPages:
    """The memory of the program.

    Parameters
    ----------
    spec : Workload
        Fitted to its guest; a single program of the generator ``xorshift32``.
    lead_ns : int
        Guest time it has run when migration begins, nanoseconds.
    """

    def __init__(self, spec: Any, lead_ns: int) -> None:
        self.spec = spec
        self.stores: dict[int, dict[int, int]] = {}
        for page, _, number in make_writer(spec).take(lead_ns - 1):
            self.store(page, number)

    def store(self, page: int, number: int) -> None:
        """Write the running count into a page."""
        self.stores.setdefault(page, {})[offset_of(number)] = number

    def page(self, page: int) -> bytes:
        """Return what is in a page now."""
        data = bytearray(self.fill(page - self.spec.base_page))
        for offset, number in self.stores.get(page, {}).items():
            data[offset : offset + 4] = (number & 0xFFFFFFFF).to_bytes(4, "little")
        return bytes(data)

    def fill(self, index: int) -> bytes:
        """Return what the program put into page `index` of its own at the beginning."""
        if not 0 <= index < self.spec.total_pages:
            return bytes(PAGE_BYTES)
        numbers = xorshift32(jump(xorshift32_start(self.spec.seed), index * WORDS))
        return b"".join(next(numbers).to_bytes(4, "little") for _ in range(WORDS))
