"""What passes a tap arrives unchanged, and is counted as the stream's reader counts it."""

import json
import struct
import time
from pathlib import Path

import pandas as pd
import pytest

from migkit.schema import TAP_INTERVALS
from migkit.stream import read_stream
from migkit.stream.history import page_history
from migkit.tap import Tap
from stream import recorded
from stream.composed import HEADER, PAGE, command, end, normal, part, start, zero
from tap.wire import LIMIT_S, Destination, connected, received, send, until

TCP = recorded.named("tcp", "multifd", "postcopy", "postcopy-preempt")


@pytest.mark.parametrize("name", TCP)
def test_a_recorded_migration_passes_unchanged_and_counted(name: str, tmp_path: Path) -> None:
    whole = recorded.stream(name)
    back = b"" if whole.messages.empty else recorded.return_path(name)
    channels = [recorded.main(name), *recorded.others(name)]
    with (
        Destination([back]) as destination,
        Tap("tcp:127.0.0.1:0", destination.address, record=tmp_path / "spool") as tap,
    ):
        sources = []
        for number, data in enumerate(channels):
            sources.append(connected(tap.address))
            assert until(lambda count=number: len(destination.received) > count)
            send(sources[-1], data)
        answers = [received(source) for source in sources]
        assert tap.wait(LIMIT_S)
    destination.join()
    assert [bytes(data) for data in destination.received] == channels
    assert answers[0] == back
    result = tap.result()
    assert result.outcome == "complete"
    assert result.stream.counters == whole.counters
    assert result.pages_in_complete == whole.save_complete_pages
    rounds = result.rounds.drop(columns="first_ns")
    pd.testing.assert_frame_equal(rounds, whole.rounds)
    counted = result.intervals[["normal_pages", "zero_pages", "xbzrle_pages"]].sum()
    assert counted.tolist() == whole.rounds[counted.index.tolist()].sum().tolist()
    sent = result.intervals[["to_destination_bytes", "to_source_bytes"]].sum().tolist()
    assert sent == [sum(map(len, channels)), len(back)]
    spools = sorted((tmp_path / "spool").glob("*-to-destination"))
    assert [path.read_bytes() for path in spools] == channels
    sections = result.sections
    assert (sections["first_ns"] <= sections["last_ns"]).all()
    assert sections["last_ns"].is_monotonic_increasing or sections["in_package"].any()
    for source in sources:
        source.close()


def test_the_latency_of_a_request_ends_with_its_page() -> None:
    wait_s = 0.15
    package = command(5)
    stream = HEADER + start({"ram": 64 * PAGE}) + part(normal(1, "ram"))
    stream += command(7, len(package).to_bytes(4, "big")) + package
    name = b"\x03ram"
    asked = [struct.pack(">HHQI", 3, 12 + len(name), page * PAGE, PAGE) + name for page in (7, 9)]
    with (
        Destination([b"".join(asked)], wait=True) as destination,
        Tap("tcp:127.0.0.1:0", destination.address) as tap,
    ):
        source = connected(tap.address)
        source.sendall(stream)
        assert until(lambda: destination.received[:1] == [stream])
        destination.answering.set()
        assert until(lambda: tap.passed[1] == len(b"".join(asked)))
        time.sleep(wait_s)
        send(source, part(normal(7, "ram")) + part(zero(8)) + end(b"") + b"\0")
        received(source)
        assert tap.wait(LIMIT_S)
    requests = tap.result().requests
    assert requests["page"].tolist() == [7, 9]
    assert requests["pages"].tolist() == [1, 1]
    assert requests["block"].tolist() == ["ram", "ram"]
    assert requests["latency_ns"].isna().tolist() == [False, True]
    assert wait_s * 1e9 * 0.9 <= requests["latency_ns"].iloc[0] < LIMIT_S * 1e9
    told = tap.result().to_dict()
    assert told["requests"] == 2
    assert told["request_latency_us"]["max"] == pytest.approx(
        requests["latency_ns"].max() / 1e3, 1
    )
    assert tap.result().qemu_counts["postcopy_bytes"] == PAGE + 8 + 4 + 9 + 2 * 8


def test_pages_are_kept_where_asked() -> None:
    name = recorded.named("tcp")[0]
    with (
        Destination() as destination,
        Tap("tcp:127.0.0.1:0", destination.address, pages=True) as tap,
    ):
        source = connected(tap.address)
        send(source, recorded.main(name))
        assert received(source) == b""
        assert tap.wait(LIMIT_S)
    expected = page_history(read_stream(recorded.main(name)))
    pd.testing.assert_frame_equal(page_history(tap.result().stream), expected)


def test_frames_are_stored_with_their_units(tmp_path: Path) -> None:
    name = recorded.named("tcp")[0]
    with Destination() as destination, Tap("tcp:127.0.0.1:0", destination.address) as tap:
        source = connected(tap.address)
        send(source, recorded.main(name))
        received(source)
        assert tap.wait(LIMIT_S)
    result = tap.result()
    result.store(tmp_path / "frames", "csv")
    first, rest = (tmp_path / "frames" / "intervals.csv").read_text().split("\n", 1)
    told = json.loads(first.removeprefix("# "))["columns"]
    assert [told[column.name]["unit"] for column in TAP_INTERVALS] == [
        column.unit for column in TAP_INTERVALS
    ]
    assert len(rest.splitlines()) == 1 + len(result.intervals)
    result.store(tmp_path / "frames")
    read = pd.read_parquet(tmp_path / "frames" / "sections.parquet")
    assert len(read) == len(result.sections)
    stored = json.loads((tmp_path / "frames" / "tap.json").read_text())
    assert stored["qemu_counts"] == result.qemu_counts


def test_what_is_no_migration_passes_and_is_called_so() -> None:
    with (
        Destination([b"answer"]) as destination,
        Tap("tcp:127.0.0.1:0", destination.address) as tap,
    ):
        source = connected(tap.address)
        send(source, b"\x16\x03\x01" + bytes(3 * PAGE))
        assert received(source) == b"answer"
        assert tap.wait(LIMIT_S, linger_s=0.1)
    destination.join()
    assert len(destination.received[0]) == 3 + 3 * PAGE
    result = tap.result()
    assert result.outcome == "opaque"
    assert result.connections["kind"].tolist() == ["tls"]
    assert result.connections["to_destination_bytes"].tolist() == [3 + 3 * PAGE]
    said = "TLS hides what is in the stream: only bytes are counted, no pages, rounds or requests"
    assert result.to_dict()["not_counted"] == said
    assert result.report().endswith(said)


def test_a_destination_that_is_not_there_is_told(tmp_path: Path) -> None:
    with Tap("tcp:127.0.0.1:0", f"unix:{tmp_path}/nobody") as tap:
        source = connected(tap.address)
        assert received(source) == b""
        assert until(lambda: bool(tap.errors))
    result = tap.result()
    assert result.outcome == "nothing"
    assert "nobody" in result.errors[0]
