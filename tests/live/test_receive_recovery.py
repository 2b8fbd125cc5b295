"""Postcopy that breaks and goes on: bitmaps, requests once more, each missing page once."""

import struct
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from live.receive_peer import Source, memory_of
from migkit.errors import InputError
from migkit.live import Receiver, Reception
from migkit.live.faults import recorded as asked_for
from migkit.stream import writer
from migkit.stream.return_path import read_return_path
from migkit.stream.writing_pages import PageWriter
from stream import recorded

NAME = "10.2-postcopy"
BLOCKS = recorded.stream(NAME).ram_blocks


def cut_at() -> int:
    """Return an offset inside the first section of postcopy."""
    records = recorded.stream(NAME).records
    package = records.index[records["name"] == "PACKAGED"][0]
    section = records[(records.index > package) & (records["kind"] == "part")].iloc[0]
    return int(section["offset"] + section["bytes"] // 2)


def rest_of(missing: np.ndarray, section: int) -> bytes:
    """Write what a source that resumes sends: questions, the missing pages, the end."""
    memory = memory_of(NAME)
    asked = b"".join(writer.recv_bitmap(block.name) for block in BLOCKS)
    pages, body = PageWriter(4096), b""
    for block in BLOCKS:
        count = block.used_length // 4096
        here = np.flatnonzero(missing[block.first_page : block.first_page + count])
        view = memoryview(memory)[block.first_page * 4096 :][: block.used_length]
        zero = ~np.frombuffer(view, np.uint8).reshape(-1, 4096)[here].any(axis=1)
        body += b"".join(pages.records(block.name, here, zero, view))
    end = writer.EOS + writer.footer(section)
    part, last = writer.head_part(section) + body + end, writer.head_end(section) + end
    return asked + writer.command("POSTCOPY_RESUME") + part + last + writer.EOF


def until(reached: Callable[[], object], limit_s: float = 60.0) -> None:
    end = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.005)


def running(receiver: Receiver) -> tuple[threading.Thread, list[Reception]]:
    results: list[Reception] = []
    thread = threading.Thread(target=lambda: results.append(receiver.run()), daemon=True)
    thread.start()
    return thread, results


@pytest.mark.parametrize("breaks", [1, 2])
def test_a_source_resumes(breaks: int) -> None:
    pages = np.arange(0, 4000, 40)
    pattern = asked_for(np.linspace(0, 0.05, len(pages)), pages)
    receiver = Receiver("tcp::0", wait_s=60.0, recover_s=60.0, faults=pattern)
    thread, results = running(receiver)
    source = Source(receiver)
    source.send(recorded.main(NAME)[: cut_at()], end=True)
    section = int(recorded.stream(NAME).records.query("name == 'ram'")["section_id"].iloc[0])
    for number in range(breaks):
        to = receiver._destination
        until(lambda: to.pauses > number and to.state == "postcopy-paused")  # noqa: B023
        missing = ~to.arena.received  # type: ignore[union-attr]
        whole = rest_of(missing, section)
        part = whole if number == breaks - 1 else whole[: len(whole) * 2 // 3]
        source.send(part, end=True)
    thread.join(60)
    source.join()
    [found] = results
    assert (found.outcome, found.error, found.pauses) == ("completed", "", breaks)
    assert found.missing_pages == 0
    assert b"".join(found.ram(block.name) for block in BLOCKS) == memory_of(NAME)
    answers = list(read_return_path(source.answers))
    bitmaps = [m for m in answers if m.name == "RECV_BITMAP"]
    assert [m.block for m in bitmaps] == [block.name for block in BLOCKS] * breaks
    assert bitmaps[0].value == 4096 // 8
    assert [m.value for m in answers if m.name == "RESUME_ACK"] == [1] * breaks
    after = answers[answers.index(next(m for m in answers if m.name == "RESUME_ACK")) + 1 :]
    requests = [m for m in after if m.name.startswith("REQ_PAGES")]
    assert not requests or requests[0].name == "REQ_PAGES_ID"
    assert (answers[-1].name, answers[-1].value) == ("SHUT", 0)
    assert found.requests_sent == sum(m.name.startswith("REQ_PAGES") for m in answers)


def test_bits_that_are_not_there_are_what_is_missing() -> None:
    receiver = Receiver("tcp::0", wait_s=60.0, recover_s=60.0)
    _, results = running(receiver)
    source = Source(receiver)
    source.send(recorded.main(NAME)[: cut_at()], end=True)
    until(lambda: receiver.progress.state == "postcopy-paused")
    received = receiver._destination.arena.received.copy()  # type: ignore[union-attr]
    channel = source.send(writer.recv_bitmap("pc.ram") + writer.recv_bitmap("nothing"))
    until(lambda: bool(results))
    source.join()  # all that came is heard
    channel.close()
    size = struct.unpack_from(">Q", source.heard[1], 4 + 7)[0]
    bits = np.frombuffer(source.heard[1], np.uint8, size, 4 + 7 + 8)
    assert (np.unpackbits(bits, bitorder="little")[:4096] == received[:4096]).all()
    assert "block 'nothing' while postcopy-recover" in results[0].error


def test_a_pause_ends_where_nobody_resumes() -> None:
    receiver = Receiver("tcp::0", wait_s=60.0, recover_s=0.2)
    source = Source(receiver)
    source.send(recorded.main(NAME)[: cut_at()], end=True)
    found = receiver.run()
    source.join()
    assert found.outcome == "postcopy-paused"
    assert "none came in 0.2 s" in found.error
    assert found.missing_pages > 0
    assert not any(m.name == "SHUT" for m in read_return_path(source.answers))


def test_a_list_of_faults_must_be_one() -> None:
    with pytest.raises(InputError, match="ascending"):
        asked_for([1.0, 0.5], [3, 4])
