"""Recorded streams of three QEMUs, received: counters, RAM, device state and answers."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from live.receive_peer import Source, memory_of, receive_channels
from migkit import datasets
from migkit.errors import ChannelError, InputError, StorageError
from migkit.live import Receiver, Reception, read_saved, receive
from migkit.stream.return_path import read_return_path
from stream import recorded

COUNTS = {
    "normal_pages": "normal",
    "duplicate_pages": "duplicate",
    "precopy_bytes": "precopy-bytes",
    "downtime_bytes": "downtime-bytes",
    "postcopy_bytes": "postcopy-bytes",
    "multifd_bytes": "multifd-bytes",
}
ON_SOCKETS = recorded.named("file", "tcp", "multifd", "postcopy", "postcopy-preempt", "xbzrle")


def check(name: str, received: Reception) -> None:
    told = received.to_dict()
    assert told["outcome"] == "completed", told["error"]
    assert told["missing_pages"] == 0
    ram = recorded.expected(name)["query_migrate"]["ram"]
    assert {n: told["qemu_counts"][n] for n in COUNTS} == {n: ram[q] for n, q in COUNTS.items()}
    stream = recorded.stream(name)
    assert told["pages_in_complete"] == stream.save_complete_pages
    assert len(received.stream.records) == len(stream.records)
    assert received.stream.counters == stream.counters
    assert [d.name for d in received.stream.devices] == [d.name for d in stream.devices]
    assert received.stream.device_fields["value"].equals(stream.device_fields["value"])
    memory = b"".join(received.ram(block.name) for block in received.stream.ram_blocks)
    assert memory == memory_of(name)


@pytest.mark.parametrize("name", ON_SOCKETS)
def test_recorded_channels(name: str) -> None:
    received, _ = receive_channels(recorded.main(name), recorded.others(name))
    check(name, received)
    rounds, expected = received.stream.rounds, recorded.stream(name).rounds
    kinds = ["channel", "round", "normal_pages", "zero_pages", "xbzrle_pages"]
    if recorded.KINDS[name] != "multifd":  # offsets of packets depend on which channel was faster
        kinds += ["offset", "record", "page_bytes"]
    assert rounds[kinds].equals(expected[kinds])


@pytest.mark.parametrize("name", recorded.named("file", "mapped-ram", "xbzrle"))
def test_recorded_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / "stream"
    path.write_bytes(recorded.main(name))
    received = receive(f"file:{path}")
    told = received.to_dict()
    assert told["outcome"] == "completed"
    memory = b"".join(received.ram(block.name) for block in received.stream.ram_blocks)
    assert memory == memory_of(name)
    assert len(received.devices) == len(recorded.stream(name).devices)


@pytest.mark.parametrize("name", recorded.named("postcopy", "postcopy-preempt"))
def test_answers_are_those_of_qemu(name: str) -> None:
    _, answers = receive_channels(recorded.main(name), recorded.others(name))
    mine = [(m.name, m.value) for m in read_return_path(answers)]
    theirs = [(m.name, m.value) for m in read_return_path(recorded.return_path(name))]
    told = [m for m in theirs if m[0] in {"PONG", "SHUT"}]
    assert sorted(mine) == sorted(told)
    assert mine[0] == ("PONG", 1)
    assert mine[-1] == ("SHUT", 0)


def test_a_command_is_received_from() -> None:
    path = datasets.stream_folder("11.1-file") / "stream.xz"
    check("11.1-file", receive(f"exec:xz -dc {path}"))


def test_switchover_is_acknowledged_where_asked_for() -> None:
    for name, first in (("10.2", "SWITCHOVER_ACK"), ("11.1", "PONG")):
        _, answers = receive_channels(recorded.main(f"{name}-postcopy"), switchover_ack=True)
        assert next(read_return_path(answers)).name == first


def test_more_ram_than_allowed_is_refused_before_it_is_there() -> None:
    received, _ = receive_channels(recorded.main("10.2-tcp"), most_ram_bytes=16 << 20)
    assert received.outcome == "failed"
    assert "RAM of 17309696 B, allowed 16777216 B" in received.error
    assert not received.stream.ram_blocks


def test_damage_is_named_with_its_place_and_the_source_told() -> None:
    main = bytearray(recorded.main("10.2-postcopy"))
    records = recorded.stream("10.2-postcopy").records
    at = int(records.loc[records["kind"] == "part", "offset"].iloc[1])
    main[at] = 0x77
    received, answers = receive_channels(bytes(main), end=True)
    assert received.outcome == "failed"
    assert f"offset {at} ({at:#x}), record · byte 0x77" in received.error
    assert [(m.name, m.value) for m in read_return_path(answers)][-1] == ("SHUT", 1)


def test_a_stream_that_breaks_off_says_where() -> None:
    main = recorded.main("10.2-tcp")[:100_000]
    received, _ = receive_channels(main, end=True)
    assert received.outcome == "failed"
    assert "the channel ended" in received.error
    assert received.stream.counters["normal"] > 0


def test_a_stranger_does_not_disturb() -> None:
    said: list[str] = []
    receiver = Receiver("tcp::0", recover_s=0, wait_s=60.0, warn=said.append)
    source = Source(receiver)
    stranger = source.send(b"GET / HTTP/1.1\r\n\r\n")
    silent = source.send(b"")
    while not said:
        time.sleep(0.01)
    source.send(recorded.main("10.2-tcp"))
    check("10.2-tcp", receiver.run())
    assert "begins with 47455420" in said[0]
    source.join()
    stranger.close()
    silent.close()


def test_nobody_comes() -> None:
    with pytest.raises(ChannelError, match=r"none came in 0\.1 s"):
        receive("tcp::0", wait_s=0.1)


def test_a_yank_ends_precopy() -> None:
    receiver = Receiver("tcp::0", wait_s=60.0)
    source = Source(receiver)
    channel = source.send(recorded.main("10.2-tcp")[:50_000])
    results: list[Reception] = []
    running = threading.Thread(target=lambda: results.append(receiver.run()))
    running.start()
    while receiver.progress.bytes < 50_000:
        time.sleep(0.01)
    receiver.yank()
    running.join(60)
    assert results[0].outcome == "failed"
    source.join()
    channel.close()


def test_too_few_multifd_channels_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migkit.live.packets._LATEST_S", 0.3)
    main, others = recorded.main("10.2-multifd"), recorded.others("10.2-multifd")
    received, _ = receive_channels(main, others, multifd_channels=3)
    assert "2 of 3 came in 0.3 s" in received.error


@pytest.mark.parametrize("method", ["zlib", "zstd"])
def test_packed_packets_hold_no_more_than_their_pages(method: str) -> None:
    import zlib

    import zstandard

    from migkit.live.unpacking import Unpacker

    pages = [bytes([n]) * 8192 for n in range(1, 4)]
    unpacker = Unpacker()
    if method == "zlib":
        squeeze = zlib.compressobj()
        packets = [squeeze.compress(p) + squeeze.flush(zlib.Z_SYNC_FLUSH) for p in pages]
        bomb = squeeze.compress(bytes(1 << 24)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    else:
        pack = zstandard.ZstdCompressor().compressobj()
        block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
        packets = [pack.compress(p) + pack.flush(block) for p in pages]
        bomb = pack.compress(bytes(1 << 24)) + pack.flush(block)
    for page, packet in zip(pages, packets, strict=True):
        assert unpacker.unpack(method, memoryview(packet), len(page)) == page
    with pytest.raises(ValueError, match=r"ends before its pages|are due"):
        Unpacker().unpack(method, memoryview(packets[0]), 8193)
    assert len(unpacker.unpack("none", memoryview(pages[0]), 8192)) == 8192
    if method == "zlib":
        with pytest.raises(ValueError, match="more than 8192 B"):
            unpacker.unpack(method, memoryview(bomb), 8192)
    with pytest.raises(ValueError, match="accelerator"):
        unpacker.unpack("qpl", memoryview(b""), 1)


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    received, _ = receive_channels(recorded.main("11.1-file"), [])
    (tmp_path / "letters").write_text("mine")
    for place in (tmp_path, tmp_path / "letters"):
        with pytest.raises(InputError, match="save to"):
            received.save(place)
    assert [path.name for path in tmp_path.iterdir()] == ["letters"]


def test_a_saved_guest_is_read_back(tmp_path: Path) -> None:
    received, _ = receive_channels(recorded.main("10.2-tcp"))
    received.save(tmp_path / "guest")
    state, rams = read_saved(tmp_path / "guest")
    assert state.configuration == received.stream.configuration
    assert state.sections == received.devices
    assert state.ram_section == 1
    assert state.description.startswith(b"{")
    assert state.switchover_start
    assert [block.name for block in state.blocks] == [b.name for b in received.stream.ram_blocks]
    for block, ram in zip(state.blocks, rams, strict=True):
        assert ram.tobytes() == bytes(received.ram(block.name))
    assert (tmp_path / "guest" / "ram-0.bin").stat().st_blocks * 512 < 16 << 20  # holes
    (tmp_path / "guest" / "ram-1.bin").write_bytes(b"short")
    with pytest.raises(StorageError, match=r"ram-1\.bin has 5 B"):
        read_saved(tmp_path / "guest")
    with pytest.raises(StorageError, match="receive --save"):
        read_saved(tmp_path)


def test_patterns_that_are_none_are_refused(tmp_path: Path) -> None:
    for written in ("uniform", "uniform:0", "uniform:x", "storm:5", "list:/nowhere"):
        with pytest.raises(InputError, match="faults"):
            Receiver("tcp::0", faults=written)


def test_patterns_ask_for_what_is_missing(tmp_path: Path) -> None:
    from migkit.live.faults import pattern_of, picked

    missing = np.zeros(10_000, np.bool_)
    missing[[5, 700, 9_000]] = True

    def come(pattern: str) -> list[tuple[float, int]]:
        left, asked = missing.copy(), []
        for moment, page in pattern_of(pattern)(lambda: left, 7):
            asked.append((moment, page))
            left[page] = False
        return asked

    assert come("sequential:4") == [(0.25, 5), (0.5, 700), (0.75, 9_000)]
    assert sorted(page for _, page in come("uniform:1000")) == [5, 700, 9_000]
    assert come("uniform:1000") == come("uniform:1000")
    (tmp_path / "list").write_text("0.5,3\n0.75,4\n")
    assert come(f"list:{tmp_path}/list") == [(0.5, 3), (0.75, 4)]
    own = picked(10, lambda absent, now: 5 if now < 0.25 else None)
    assert list(own(lambda: missing, 0)) == [(0.1, 5), (0.2, 5)]
