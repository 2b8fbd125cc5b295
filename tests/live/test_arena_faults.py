"""userfaultfd: who touches a page that is missing waits, and Python goes on meanwhile."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from live.arena_pair import WAIT_S, permitted, until
from migkit.cli import main
from migkit.errors import StreamError, UserfaultfdError
from migkit.live import ArenaGuest, Receiver, send
from migkit.live.guest import userfaultfd
from migkit.live.guest.guest_arena import GuestArena
from migkit.live.guest.memory import GuestMemory, map_private
from migkit.live.guest.userfaultfd import Userfaultfd, open_descriptor
from migkit.stream.blocks import Block, Blocks
from migkit.stream.page_tally import NORMAL, XBZRLE, ZERO, Layout

SIZE = 4096
PAGES = 16


def _fails(number: int) -> Callable[[], int]:
    def way() -> int:
        raise OSError(number, os.strerror(number))

    return way


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EPERM, "not permitted .*vm.unprivileged_userfaultfd is [01].*set vm.unpriv"),
        (errno.EACCES, "not permitted"),
        (errno.ENOSYS, "is without userfaultfd .*CONFIG_USERFAULTFD"),
    ],
)
def test_one_sentence_says_why_it_is_not_there(number: int, said: str) -> None:
    with pytest.raises(UserfaultfdError, match=said) as found:
        open_descriptor([_fails(errno.ENOENT), _fails(number)])
    assert str(found.value).count("\n") == 0
    assert "leave out run" in str(found.value)


def test_the_first_way_that_works_is_taken() -> None:
    assert open_descriptor([_fails(errno.EACCES), lambda: 77, _fails(errno.EPERM)]) == 77


def test_other_systems_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UserfaultfdError, match=r"darwin has no userfaultfd .* use Linux"):
        open_descriptor([lambda: 77])


def test_the_command_says_it_before_it_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(userfaultfd, "WAYS", (_fails(errno.EPERM),))
    assert main(["receive", "tcp:127.0.0.1:0", "--run"]) == 2
    assert "userfaultfd is not permitted" in capsys.readouterr().err
    with pytest.raises(UserfaultfdError):
        Receiver("tcp:127.0.0.1:0", run=True)


def test_a_guest_from_a_file_needs_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(userfaultfd, "WAYS", (_fails(errno.EPERM),))
    send(ArenaGuest(1 << 20), f"file:{tmp_path}/guest.mig")
    came = Receiver(f"file:{tmp_path}/guest.mig", run=True).run()
    assert came.guest is not None
    came.guest.stop()
    assert (came.outcome, came.guest.check().whole) == ("completed", True)


_WAITS = """
import sys, threading
from migkit.live.guest.memory import GuestMemory, map_private
from migkit.live.guest.userfaultfd import Userfaultfd

memory = GuestMemory(map_private(1 << 20), 4096)
faults = Userfaultfd()
faults.register(memory.address, 1 << 20)
vcpus = [threading.Thread(target=memory.touch, args=(page,)) for page in (3, 9, 200)]
for vcpu in vcpus:
    vcpu.start()
for _ in vcpus:  # this thread needs Python's lock while the others wait for their pages
    fault = faults.next_fault()
    faults.zero(fault.address, 4096)
    print((fault.address - memory.address) // 4096)
for vcpu in vcpus:
    vcpu.join()
faults.close()
"""


def test_python_goes_on_while_threads_wait_for_pages() -> None:
    """Where they held Python's lock nothing would ever go on: so it is tried in a process."""
    permitted()
    told = subprocess.run(
        [sys.executable, "-c", _WAITS], capture_output=True, text=True, timeout=WAIT_S, check=True
    )
    assert sorted(map(int, told.stdout.split())) == [3, 9, 200]


@pytest.fixture
def waiting() -> Userfaultfd:
    permitted()
    return Userfaultfd()


def memory_of(faults: Userfaultfd) -> GuestMemory:
    memory = GuestMemory(map_private(PAGES * SIZE), SIZE)
    faults.register(memory.address, PAGES * SIZE)
    return memory


def test_who_waits_gets_what_is_placed(waiting: Userfaultfd) -> None:
    memory = memory_of(waiting)
    thread = threading.Thread(target=memory.touch, args=(5,))
    thread.start()
    fault = waiting.next_fault()
    assert fault is not None
    assert fault.address == memory.address + 5 * SIZE
    assert fault.thread_id == thread.native_id
    held = np.arange(3 * SIZE, dtype=np.uint32).view(np.uint8)[: 3 * SIZE]
    waiting.copy(memory.address + 4 * SIZE, held.ctypes.data, 3 * SIZE)
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert (memory.bytes[4 * SIZE : 7 * SIZE] == held).all()
    waiting.close()


def test_a_page_is_placed_once(waiting: Userfaultfd) -> None:
    memory = memory_of(waiting)
    held = np.ones(4 * SIZE, np.uint8)
    waiting.zero(memory.address + 2 * SIZE, SIZE)
    with pytest.raises(FileExistsError):  # the two before it are placed
        waiting.copy(memory.address, held.ctypes.data, 4 * SIZE)
    with pytest.raises(FileExistsError):
        waiting.zero(memory.address, SIZE)
    waiting.close()
    ones = memory.bytes.reshape(-1, SIZE)[:4].all(axis=1)
    assert ones.tolist() == [True, True, False, False]


def test_closing_lets_go_of_who_waits(waiting: Userfaultfd) -> None:
    memory = memory_of(waiting)
    thread = threading.Thread(target=memory.touch, args=(5,))
    thread.start()
    assert waiting.next_fault() is not None
    waiting.end_faults()
    assert waiting.next_fault() is None
    waiting.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert not memory.bytes.any()


def arena_of(*, listens: bool) -> GuestArena:
    permitted()
    blocks = Blocks(SIZE)
    blocks.listed.append(Block("migkit.arena", PAGES * SIZE, 0))
    blocks.number[b"migkit.arena"] = 0
    blocks.pages = PAGES
    arena = GuestArena(blocks)
    if listens:
        arena.listen()
    return arena


def records(pages: list[int], kind: int) -> Layout:
    """Lay out records that have nothing but their pages."""
    count = len(pages)
    lengths, offsets = np.full(count, SIZE), np.arange(count) * SIZE
    kinds = np.full(count, kind)
    return Layout(np.array(pages), kinds, lengths, lengths, offsets, np.zeros(count, np.int64))


def resident(arena: GuestArena) -> list[int]:
    """Return which pages the kernel has."""
    found = np.zeros(PAGES, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    at = ctypes.c_void_p(np.frombuffer(arena.mapping, np.uint8).ctypes.data)
    assert libc.mincore(at, ctypes.c_size_t(PAGES * SIZE), ctypes.c_void_p(found.ctypes.data)) == 0
    return np.flatnonzero(found & 1).tolist()


DATA = np.arange(PAGES * SIZE, dtype=np.uint32).astype(np.uint8).tobytes()


def test_what_is_discarded_is_gone_from_memory() -> None:
    arena = arena_of(listens=False)
    arena.place(records([1, 2, 3, 9], NORMAL), DATA, 0)
    assert resident(arena) == [1, 2, 3, 9]
    assert arena.discard("migkit.arena", 2 * SIZE, 5 * SIZE)
    assert resident(arena) == [1, 9]
    assert np.flatnonzero(arena.received).tolist() == [1, 9]
    assert not arena.discard("migkit.arena", 0, (PAGES + 1) * SIZE)
    assert not arena.discard("other", 0, SIZE)


def test_pages_are_placed_in_runs_and_once() -> None:
    arena = arena_of(listens=True)
    assert resident(arena) == []
    arena.place(records([4, 5, 6, 9, 10], NORMAL), DATA, 0)
    arena.place(records([0, 1, 7], ZERO), DATA, 0)
    assert resident(arena) == [0, 1, 4, 5, 6, 7, 9, 10]
    assert np.flatnonzero(arena.received).tolist() == [0, 1, 4, 5, 6, 7, 9, 10]
    for again in (records([3, 4], NORMAL), records([11, 0], ZERO)):
        with pytest.raises(StreamError, match="came twice in postcopy"):
            arena.place(again, DATA, 0)
    with pytest.raises(StreamError, match="xbzrle page"):
        arena.place(records([12], XBZRLE), DATA, 0)
    assert not arena.discard("migkit.arena", 0, SIZE)
    arena.close()
    rows = np.frombuffer(arena.mapping, np.uint8).reshape(PAGES, SIZE)
    held = np.frombuffer(DATA, np.uint8).reshape(PAGES, SIZE)
    assert (rows[[4, 5, 6, 9, 10]] == held[:5]).all()
    assert not rows[[0, 1, 7]].any()


def test_a_fault_on_a_page_that_came_as_zero_is_no_request() -> None:
    arena = arena_of(listens=False)
    arena.place(records([2, 3], ZERO), DATA, 0)
    arena.listen()
    memory, found = GuestMemory(arena.mapping, SIZE), list[int]()
    asked: list[int] = []
    pattern = arena.faults(found.append)
    follows = threading.Thread(
        target=lambda: asked.extend(page for _, page in pattern(lambda: ~arena.received, 0))
    )
    follows.start()
    vcpus = [threading.Thread(target=memory.touch, args=(page,)) for page in (2, 8)]
    for vcpu in vcpus:
        vcpu.start()
    vcpus[0].join(WAIT_S)
    until(lambda: asked == [8])
    assert (vcpus[0].is_alive(), vcpus[1].is_alive()) == (False, True)
    assert found == [vcpus[1].native_id]
    arena.place(records([8], NORMAL), DATA, 0)
    vcpus[1].join(WAIT_S)
    arena.end_faults()
    follows.join(WAIT_S)
    assert not any(thread.is_alive() for thread in (*vcpus, follows))
    arena.close()
