"""Commands, the package and the return path of postcopy, as three versions of QEMU write them."""

import numpy as np
import pytest

from migkit.stream import read_stream
from stream import recorded
from stream.composed import HEADER, PAGE, command, end, full, normal, part, start, zero

NAMES = recorded.named("postcopy", "postcopy-preempt")


@pytest.mark.parametrize("name", NAMES)
def test_commands_come_in_qemus_order(name: str) -> None:
    records = recorded.stream(name).records
    commands = records[records["kind"] == "command"]
    told = [
        f"{name} {value}" if name == "PING" else name
        for name, value in zip(commands["name"], commands["value"], strict=True)
    ]
    discards = told.count("POSTCOPY_RAM_DISCARD")
    newer = [] if name.startswith("10.0") else ["PING 66"]
    assert told == [
        "OPEN_RETURN_PATH", "PING 1", "POSTCOPY_ADVISE", "SWITCHOVER_START",
        *["POSTCOPY_RAM_DISCARD"] * discards, "PING 2", "PACKAGED", "POSTCOPY_LISTEN", "PING 3",
        *newer, "POSTCOPY_RUN", "PING 4",
    ]  # fmt: skip
    assert discards > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_package_holds_all_devices(name: str) -> None:
    stream = recorded.stream(name)
    records = stream.records
    inside = records[records["in_package"].fillna(value=False).astype(bool)]
    assert (inside["kind"] == "full").sum() == len(stream.devices) == 31
    assert inside["bytes"].sum() == records.loc[records["name"] == "PACKAGED", "value"].sum()
    assert not any(device.fields for device in stream.devices)  # nothing describes them here


@pytest.mark.parametrize("name", NAMES)
def test_discarded_pages_are_those_that_come_after(name: str) -> None:
    stream = recorded.stream(name)
    discards, records, pages = stream.discards, stream.records, stream.pages
    blocks = {block.name: block.first_page for block in stream.ram_blocks}
    thrown = {
        blocks[row.block] + page
        for row in discards.itertuples()
        for page in range(row.start // PAGE, (row.start + row.length) // PAGE)
    }
    package = records.index[records["name"] == "PACKAGED"][0]
    assert set(pages.loc[pages["record"] > package, "page"]) == thrown
    assert thrown


@pytest.mark.parametrize("name", NAMES)
def test_each_ping_is_answered(name: str) -> None:
    stream = recorded.stream(name)
    pings = stream.records.query("name == 'PING'")["value"]
    messages = stream.messages
    assert sorted(messages.loc[messages["name"] == "PONG", "value"]) == sorted(pings)
    assert list(messages["name"])[-1] == "SHUT"
    assert messages["value"].iloc[-1] == 0


@pytest.mark.parametrize("name", recorded.named("postcopy", "tcp", "file", "xbzrle"))
def test_save_complete_is_the_end_of_ram(name: str) -> None:
    stream = recorded.stream(name)
    moved = stream.save_complete_pages
    # What 10.1 and later leave for save_complete of postcopy is nothing.
    assert moved == 0 if "postcopy" in name else moved > 0


def test_pages_of_each_section_by_hand() -> None:
    package = command(4) + full("cpu", b"\1\2\3", 3) + command(2, b"\0\0\0\x42") + command(5)
    stream = read_stream(
        HEADER
        + command(3, np.array([PAGE, PAGE], ">u8").tobytes())
        + start({"ram": 8 * PAGE})
        + part(normal(0, "ram") + zero(1) + normal(2) + zero(3) + normal(1))
        + part(b"")
        + command(11)
        + command(6, b"\0\3ram\0" + np.array([PAGE, 2 * PAGE], ">u8").tobytes())
        + command(7, len(package).to_bytes(4, "big"))
        + package
        + part(zero(2, "ram"))
        + end(normal(1) + normal(5))
        + b"\0"
    )
    ram = stream.records.query("name == 'ram'").drop(columns=["offset", "bytes"])
    assert ram["normal_pages"].tolist() == [0, 3, 0, 0, 2]
    assert ram["zero_pages"].tolist() == [0, 2, 0, 1, 0]
    assert stream.pages["round"].tolist() == [0, 0, 0, 0, 1, 2, 3, 3]
    assert stream.save_complete_pages == 2
    assert stream.discards.to_numpy().tolist()[0][1:] == ["ram", PAGE, 2 * PAGE]
    words = 3 * (8 + PAGE) + 2 * 9 + 4
    assert stream.counters == {
        "normal": 5,
        "duplicate": 3,
        "precopy-bytes": words + 8,  # the empty part is that of 10.1, which does not count it
        "downtime-bytes": 0,
        "postcopy-bytes": 9 + 4 + 8 + 2 * (8 + PAGE),
        "multifd-bytes": 0,
        "transferred": stream.size + len(package),
    }
