"""The guest as the source's RAM code sees it: RAM blocks, and which of their pages hold data.

A page is either zero or not when migration starts; what is in it, `Content` says. The six blocks
and the pages that firmware and boot tables fill are those of QEMU's machine ``pc``
(hw/i386/pc.c, pc_memory_init); blocks are scanned in the order of `Guest.ram_blocks`
(migration/ram.c, find_dirty_block).
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable
from dataclasses import dataclass, field

from migkit.errors import InputError
from migkit.guest.content import Content
from migkit.guest.ram_block import PAGE_BYTES, RamBlock, check_memory
from migkit.units import format_bytes

__all__ = ["MAX_VCPUS", "PAGE_BYTES", "Guest", "RamBlock"]

MAX_RAM_BLOCKS = 1024
"""Most RAM blocks of a guest."""

_PC_FIRMWARE: tuple[tuple[str, int, tuple[tuple[int, int], ...]], ...] = (
    ("/rom@etc/acpi/tables", 131072, ((0, 3),)),
    ("pc.bios", 262144, ((17, 47),)),
    ("pc.rom", 131072, ()),
    ("/rom@etc/table-loader", 4096, ((0, 1),)),
    ("/rom@etc/acpi/rsdp", 4096, ((0, 1),)),
)
"""Blocks of ``pc`` besides the memory, with (first page, count) of their nonzero pages."""

_PC_LOW_NONZERO = ((0, 1), (6, 1), (9, 1), (159, 2), (167, 2), (192, 1), (194, 1), (232, 26))
"""Pages that SeaBIOS and the boot leave nonzero below 1 MiB: (first page, count)."""

_PC_TOP_NONZERO = ((95, 1), (90, 26), (32, 3))
"""Boot tables at the top of memory below 4 GiB: (pages below its end, count)."""

_PC_ALL_BELOW_4GIB_PAGES = 0xE0000000 // PAGE_BYTES
_PC_SPLIT_PAGES = 0xC0000000 // PAGE_BYTES
"""A ``pc`` of 3.5 GiB or more keeps 3 GiB below the devices (hw/i386/pc_piix.c)."""

MAX_VCPUS = 1024
"""Most vCPUs of a guest."""

_CAPTURE_STACK_PAGE = 511
"""The stack of the captures' guest program: the page it writes all the time."""


@dataclass(frozen=True)
class Guest:
    """The guest's memory, and how many vCPUs write to it.

    Parameters
    ----------
    memory_bytes : int
        Size of its memory, bytes: that of the first block.
    ram_blocks : iterable of RamBlock
        All RAM blocks in the order in which QEMU scans them, the memory first.
    always_dirty_pages : iterable of int
        Pages of the first block that the guest writes without end while it runs, whatever the
        workload does: its stack, for one.
    vcpus : int
        How many vCPUs it has, 1..1024. They share the workload's writes: write number n, counted
        from 0 when migration begins, is made by vCPU n modulo `vcpus`.
    content : Content
        What its pages with data hold when migration starts.
    cpu_ns_per_write : int, optional
        CPU time the program needs for each page write, nanoseconds: a guest that is slowed down
        falls behind when its vCPUs have less than that left. Left out, the host profile's.

    Raises
    ------
    InputError
        If the memory is empty or no multiple of 4096 bytes, the blocks do not fit it, or the
        number of vCPUs is not allowed.

    Examples
    --------
    >>> guest = Guest.pc(512 << 20)
    >>> guest.total_pages, [block.name for block in guest.ram_blocks][:2]
    (131202, ['pc.ram', '/rom@etc/acpi/tables'])
    """

    memory_bytes: int
    ram_blocks: tuple[RamBlock, ...]
    always_dirty_pages: tuple[int, ...] = ()
    vcpus: int = 1
    content: Content = field(default_factory=Content)
    cpu_ns_per_write: int | None = None

    def __post_init__(self) -> None:
        """Check that the blocks belong to the memory."""
        object.__setattr__(self, "memory_bytes", check_memory(self.memory_bytes, "guest memory"))
        object.__setattr__(self, "ram_blocks", tuple(self.ram_blocks))
        object.__setattr__(self, "always_dirty_pages", tuple(sorted(self.always_dirty_pages)))
        object.__setattr__(self, "vcpus", _checked_vcpus(self.vcpus))
        if self.cpu_ns_per_write is not None:
            object.__setattr__(self, "cpu_ns_per_write", _checked_ns(self.cpu_ns_per_write))
        self._check_blocks()
        if not isinstance(self.content, Content):
            raise InputError.of(
                f"content {self.content!r}", "not a Content", "use Content.parse('random')"
            )
        pages = self.memory_bytes // PAGE_BYTES
        for page in self.always_dirty_pages:
            if not 0 <= page < pages:
                raise InputError.of(
                    f"always dirty page {page}",
                    f"allowed 0..{pages - 1}, the pages of {self.ram_blocks[0].name}",
                    "give a page of that range",
                )

    def _check_blocks(self) -> None:
        names = [block.name for block in self.ram_blocks]
        if not names or self.ram_blocks[0].used_bytes != self.memory_bytes:
            size = format_bytes(self.ram_blocks[0].used_bytes) if names else "missing"
            raise InputError.of(
                f"guest memory {format_bytes(self.memory_bytes)}",
                f"the first RAM block is {size}",
                "make the first RAM block as big as the memory",
            )
        if len(names) > MAX_RAM_BLOCKS:
            raise InputError.of(
                f"{len(names)} RAM blocks", f"allowed at most {MAX_RAM_BLOCKS}", "join some"
            )
        for name in names:
            if names.count(name) > 1:
                raise InputError.of(
                    f"RAM block {name}", "there are two of that name", "give each its own name"
                )

    @property
    def total_bytes(self) -> int:
        """Bytes of all blocks: ``ram.total`` of query-migrate."""
        return sum(block.used_bytes for block in self.ram_blocks)

    @property
    def total_pages(self) -> int:
        """Pages of all blocks."""
        return self.total_bytes // PAGE_BYTES

    @classmethod
    def pc(
        cls,
        memory_bytes: int,
        *,
        nonzero: Iterable[tuple[int, int]] = (),
        always_dirty_pages: Iterable[int] = (),
    ) -> Guest:
        """Make a guest of QEMU's machine ``pc``: memory, firmware and its tables.

        Parameters
        ----------
        memory_bytes : int
            Size of the memory, bytes.
        nonzero : iterable of (int, int)
            Extents of the memory that hold data when migration starts, beside the boot tables.
        always_dirty_pages : iterable of int
            Pages of the memory that are written without end.

        Returns
        -------
        Guest
            The guest, its blocks in the order in which QEMU scans them.

        Raises
        ------
        InputError
            If the memory is empty or no multiple of 4096 bytes.
        """
        pages = check_memory(memory_bytes, "guest memory") // PAGE_BYTES
        boot = [extent for extent in _PC_LOW_NONZERO if sum(extent) <= pages]
        top = pages if pages < _PC_ALL_BELOW_4GIB_PAGES else _PC_SPLIT_PAGES
        boot += [(top - below, count) for below, count in _PC_TOP_NONZERO if below <= top]
        memory = RamBlock("pc.ram", memory_bytes, (*boot, *nonzero))
        firmware = (RamBlock(*block) for block in _PC_FIRMWARE)
        return cls(memory_bytes, (memory, *firmware), tuple(always_dirty_pages))

    @classmethod
    def of_captures(cls, memory_bytes: int, base_page: int, data_pages: int) -> Guest:
        """Make the guest of the captures: its program fills `data_pages` pages before migration.

        Of its other pages, 118 hold data: 36 below page 1024 (program, stack, boot tables), 30 at
        the top of memory (boot tables) and 52 in the firmware's blocks.

        Parameters
        ----------
        memory_bytes : int
            Size of the memory, bytes.
        base_page : int
            First page that the program fills.
        data_pages : int
            How many pages it fills.

        Returns
        -------
        Guest
            The guest; the program's stack is its one page that is always dirty.

        Raises
        ------
        InputError
            If the memory cannot hold the program's pages.
        """
        stack = _CAPTURE_STACK_PAGE
        data = [(base_page, data_pages)] if data_pages else []
        return cls.pc(memory_bytes, nonzero=[(stack, 1), *data], always_dirty_pages=[stack])

    def with_nonzero(self, first: int, count: int) -> Guest:
        """Return a copy in which a range of the memory holds data too.

        Parameters
        ----------
        first : int
            First page.
        count : int
            Number of pages.

        Returns
        -------
        Guest
            The changed copy.

        Raises
        ------
        InputError
            If the range leaves the memory.
        """
        memory = self.ram_blocks[0]
        extents = (*memory.nonzero, (first, count)) if count else memory.nonzero
        filled = dataclasses.replace(memory, nonzero=extents)
        return dataclasses.replace(self, ram_blocks=(filled, *self.ram_blocks[1:]))

    def with_shared_memory(self) -> Guest:
        """Return a copy whose memory is a file that both sides map.

        Returns
        -------
        Guest
            The changed copy; x-ignore-shared leaves its first block out.
        """
        memory = dataclasses.replace(self.ram_blocks[0], shared=True)
        return dataclasses.replace(self, ram_blocks=(memory, *self.ram_blocks[1:]))


def _checked_vcpus(vcpus: int) -> int:
    """Return the number as a plain int."""
    try:
        number = operator.index(vcpus)
    except TypeError:
        number = 0
    if isinstance(vcpus, bool) or not 1 <= number <= MAX_VCPUS:
        raise InputError.of(
            f"vcpus {vcpus!r}", f"allowed whole numbers 1..{MAX_VCPUS}", "give one, such as 4"
        )
    return number


def _checked_ns(cpu_ns: int) -> int:
    """Return a time of up to a second as a plain int."""
    try:
        number = operator.index(cpu_ns)
    except TypeError:
        number = -1
    if isinstance(cpu_ns, bool) or not 0 <= number <= 10**9:
        raise InputError.of(
            f"cpu_ns_per_write {cpu_ns!r}", "allowed 0..1000000000 ns", "give whole nanoseconds"
        )
    return number
