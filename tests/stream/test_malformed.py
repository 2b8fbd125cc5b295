"""What is wrong with a stream is said with its offset and record, and costs no memory."""

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from migkit.errors import MigkitError, StreamError
from migkit.stream import read_stream
from stream import recorded
from stream.composed import (
    EOS,
    HEADER,
    PAGE,
    command,
    description,
    end,
    footer,
    full,
    normal,
    part,
    start,
    xbzrle,
    zero,
)

RAM = start({"ram": 4 * PAGE})
HEAD = HEADER + RAM
BODY = len(HEAD) + 5  # the first word of the section that follows

CASES = {
    "magic": (b"QEVN" + bytes(8), 0, "file header", "magic 0x5145564e"),
    "version": (b"QEVM" + bytes([0, 0, 0, 2]), 4, "file header", "version 2"),
    "name of the machine": (HEADER[:9] + b"\xff" * 4, 13, "configuration", "a machine's name of"),
    "no record": (HEADER + b"\x55", 17, "record", "byte 0x55"),
    "end of data": (HEAD, len(HEAD), "record", "needs 1 B and 0 B are left"),
    "footer": (HEADER + RAM[:-1] + b"\2", len(HEAD) - 5, "section start of ram (1)", "section 2"),
    "not started": (HEADER + part(b""), 18, "record", "section 1, which was not started"),
    "two lists": (
        HEAD + start({"b": PAGE}, 2),
        len(HEAD) + 25,
        "section start of ram (2)",
        "a second list",
    ),
    "block unknown": (HEAD + part(normal(0, "rom")), BODY, "section part of ram (1)", "'rom'"),
    "no block yet": (HEAD + part(normal(0)), BODY, "section part of ram (1)", "before any block"),
    "outside": (
        HEAD + part(normal(4, "ram")),
        BODY,
        "section part of ram (1)",
        "outside block ram of 16384 B",
    ),
    "flags": (
        HEAD + part(struct.pack(">Q", 0x101)),
        BODY,
        "section part of ram (1)",
        "flags 0x101",
    ),
    "zero page of ones": (
        HEAD + part(zero(0, "ram")[:-1] + b"\1"),
        BODY,
        "section part of ram (1)",
        "a zero page of other bytes",
    ),
    "xbzrle": (
        HEAD + part(xbzrle(0, bytes(PAGE + 1), "ram")),
        BODY,
        "section part of ram (1)",
        "of 4097 B",
    ),
    "bytes of a command": (HEADER + command(2, b"\1"), 17, "command PING", "a payload of 1 B"),
    "package": (HEADER + command(7, b"\xff" * 4), 26, "command PACKAGED", "needs 4294967295 B"),
    "package in a package": (
        HEADER + command(7, b"\0\0\0\x09") + command(7, b"\0\0\0\0"),
        26,
        "command PACKAGED",
        "inside a package",
    ),
    "ranges": (HEADER + command(6, b"\0\1m\0abc"), 17, "command POSTCOPY_RAM_DISCARD", "3 B"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_error_names_offset_and_record(case: str) -> None:
    data, offset, record, found = CASES[case]
    with pytest.raises(StreamError) as caught:
        read_stream(data)
    assert (caught.value.offset, caught.value.record) == (offset, record)
    assert found in str(caught.value)
    assert str(caught.value).startswith(f"offset {offset} ({offset:#x}), {record} · ")


def test_a_device_section_without_footer_is_named() -> None:
    with pytest.raises(StreamError, match=r"section full of timer \(0\) · no footer of section 0"):
        read_stream(HEADER + full("timer", bytes(9), 0)[:-5])


@pytest.mark.parametrize("name", ["10.2-file", "11.1-postcopy"])
def test_a_stream_that_breaks_off_anywhere_is_told(name: str) -> None:
    data = recorded.main(name)
    whole = recorded.stream(name)
    for cut in [*range(0, 300), *range(300, len(data), 40_009), len(data) - 1]:
        with pytest.raises(StreamError) as caught:
            read_stream(data[:cut])
        assert 0 <= caught.value.offset <= cut
        if cut < 30:
            continue
        part_ = read_stream(data[:cut], partial=True)
        assert part_.error is not None
        pages = len(part_.pages)
        assert part_.pages.equals(whole.pages.iloc[:pages])
        assert part_.records["offset"].max() < cut


def test_false_footers_inside_a_device_are_passed_over() -> None:
    body = b"\x7e\0\0\0\5" + b"\0" + b"\x7e\0\0\0\5" + b"\x08\0\x63\0\0" + b"end"
    stream = read_stream(HEADER + full("timer", body, 5) + full("cpu", b"\1", 6) + b"\0")
    assert [device.length for device in stream.devices] == [len(body), 1]


def test_a_description_that_does_not_fit_is_not_believed() -> None:
    size = {"name": "timer", "instance_id": 0, "fields": [{"name": "t", "size": 3}]}
    tail = b"\0" + description([size])
    stream = read_stream(HEADER + full("timer", b"abcd", 5) + tail)
    assert stream.devices[0].length == 4
    assert stream.devices[0].fields == ()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "many blocks": lambda: (
        HEADER + b"\1\0\0\0\1\3ram\0\0\0\0\0\0\0\4" + struct.pack(">Q", 0xFFFFFFFFFFFFF004)
    ),
    "a block of everything": lambda: HEADER + start({"ram": 1 << 62}) + end(zero(1 << 49, "ram")),
    "dirty bitmap": lambda: HEADER + b"\1\0\0\0\2" + b"\x0cdirty-bitmap" + bytes(8) + b"\x40"
    + bytes(12) + b"\xff" * 8,
    "deep description": lambda: HEADER + b"\0\6" + struct.pack(">I", 200_006)
    + b'{"a": ' + b"[" * 200_000,
    "sizes of a description": lambda: HEADER + full("t", b"", 1) + b"\0"
    + description([{"name": "t", "instance_id": [], "fields": [{"size": 1 << 80}]}]),
    "mapped-ram": lambda: HEADER[:8] + b"\7\0\0\0\4none\5\x1aconfiguration/capabilities\0\0\0\1"
    b"\0\0\0\1\x0amapped-ram\1\0\0\0\1\3ram\0\0\0\0\0\0\0\4" + struct.pack(">Q", (1 << 60) | 4)
    + b"\1m" + struct.pack(">QIQQQ", 1 << 60, 1, PAGE, 1 << 40, 1 << 41) + EOS + footer(1),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_lengths_cost_nothing(case: str) -> None:
    code = (
        "import sys, resource\n"
        "import pandas\n"
        "from migkit.errors import StreamError\n"
        "from migkit.stream import read_stream\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20),) * 2)\n"
        "try:\n"
        "    stream = read_stream(sys.stdin.buffer)\n"
        "    stream.counters, stream.device_fields\n"
        "    print('read')\n"
        "except StreamError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=HOSTILE[case](), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith((b"offset ", b"read"))


def test_records_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migkit.stream.wire.MOST_RECORDS", 5)
    with pytest.raises(StreamError, match="more than 5 records"):
        read_stream(HEADER + 6 * command(8) + b"\0")


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MigkitError, match="cannot be read"):
        read_stream(tmp_path)
    with pytest.raises(StreamError, match="needs 4 B and 0 B"):
        read_stream(b"")
    with pytest.raises(StreamError, match=r"offset 9 · allowed 0\.\.2 B"):
        read_stream(b"QE", offset=9)
