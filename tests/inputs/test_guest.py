"""The guest's RAM blocks and which of their pages hold data."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migkit.errors import InputError
from migkit.guest import Guest
from migkit.guest.ram_block import RamBlock, sorted_extents

MIB = 1 << 20


def test_pc_blocks_in_the_order_qemu_scans_them():
    guest = Guest.pc(512 * MIB)
    assert [(block.name, block.used_bytes) for block in guest.ram_blocks] == [
        ("pc.ram", 536870912),
        ("/rom@etc/acpi/tables", 131072),
        ("pc.bios", 262144),
        ("pc.rom", 131072),
        ("/rom@etc/table-loader", 4096),
        ("/rom@etc/acpi/rsdp", 4096),
    ]
    assert guest.total_bytes == 537403392


def test_guest_of_captures_has_118_pages_of_data_besides_the_workload():
    guest = Guest.of_captures(512 * MIB, base_page=1024, data_pages=100000)
    memory, *firmware = guest.ram_blocks
    below = sum(count for first, count in memory.nonzero if first < 1024)
    assert below == 36
    assert memory.nonzero_pages - below - 100000 == 30
    assert sum(block.nonzero_pages for block in firmware) == 52
    # what the recorded idle migration counted as zero pages (duplicate)
    nonzero = sum(block.nonzero_pages for block in guest.ram_blocks)
    assert guest.total_pages - nonzero == 31084
    assert guest.always_dirty_pages == (511,)


EXTENTS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 8)), max_size=12)


@given(EXTENTS)
def test_sorted_extents_cover_the_same_pages_with_gaps_between(extents):
    result = sorted_extents(extents, 68, "pc.ram")
    covered = [page for first, count in result for page in range(first, first + count)]
    assert covered == sorted({p for first, count in extents for p in range(first, first + count)})
    assert all(sum(a) < b[0] for a, b in pairwise(result))


@given(st.integers(1, 400))
def test_small_guests_are_guests_too(pages):
    guest = Guest.pc(pages * 4096)
    assert guest.ram_blocks[0].pages == pages
    assert guest.ram_blocks[0].nonzero_pages <= pages


def test_boot_tables_lie_at_the_top_of_the_memory_below_4_gib():
    """Read off mapped-ram files of a `pc` that QEMU 10.0.13 wrote with these memories."""
    for memory_mib, top_page in ((1024, 262144), (3072, 786432), (4096, 786432)):
        [memory, *_] = Guest.pc(memory_mib * MIB).ram_blocks
        assert memory.nonzero[-1] == (top_page - 32, 3)
        assert (top_page - 90, 26) in [(first, count) for first, count in memory.nonzero]


def test_with_nonzero_fills_a_range():
    guest = Guest.pc(MIB * 16).with_nonzero(2000, 10).with_nonzero(5, 0)
    assert (2000, 10) in guest.ram_blocks[0].nonzero
    assert guest.ram_blocks[0].nonzero_pages == Guest.pc(MIB * 16).ram_blocks[0].nonzero_pages + 10


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Guest.pc(0), "guest memory 0 bytes · allowed multiples of 4096"),
        (lambda: Guest.pc(4097), "guest memory 4097 bytes"),
        (lambda: Guest.pc(-4096), "guest memory -4096 bytes"),
        (lambda: Guest.pc(True), "guest memory True bytes"),
        (lambda: Guest.pc("8GiB"), "guest memory 8GiB bytes"),
        (lambda: RamBlock("", 4096), "RAM block name '' · 0 bytes long, allowed 1..255"),
        (lambda: RamBlock("a", 4096, ((0, 2),)), "a: pages 0 to 1 · allowed pages 0..0"),
        (lambda: RamBlock("a", 4096, ((0, 0),)), "allowed pages 0..0"),
        (lambda: Guest(4096, ()), "the first RAM block is missing"),
        (lambda: Guest(8192, (RamBlock("a", 4096),)), "the first RAM block is 4 KiB"),
        (lambda: Guest(4096, (RamBlock("a", 4096),) * 2), "there are two of that name"),
        (
            lambda: Guest.pc(MIB, always_dirty_pages=[256]),
            "dirty page 256 · allowed 0..255",
        ),
        (lambda: Guest(4096, (RamBlock("a", 4096),), vcpus=0), "vcpus 0 · allowed whole numbers"),
        (lambda: Guest(4096, (RamBlock("a", 4096),), vcpus=1025), "vcpus 1025 · allowed whole"),
        (lambda: Guest(4096, (RamBlock("a", 4096),), vcpus=True), "vcpus True"),
        (lambda: Guest(4096, (RamBlock("a", 4096),), vcpus="4"), "vcpus '4'"),
        (
            lambda: Guest(4096, (RamBlock("a", 4096),), cpu_ns_per_write=-1),
            "cpu_ns_per_write -1 · allowed 0..1000000000 ns",
        ),
        (lambda: Guest(4096, (RamBlock("a", 4096),), cpu_ns_per_write=1.5), "write 1.5"),
        (lambda: Guest.of_captures(8 * MIB, 1024, 2000), "pages 1024 to 3023"),
    ],
)
def test_refused_in_one_line(make, line):
    with pytest.raises(InputError, match=re.escape(line)):
        make()
