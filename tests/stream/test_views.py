"""What a terminal shows of a stream."""

import pytest

from migkit.stream import read_stream
from migkit.stream.views import report, to_dict
from stream import recorded
from stream.composed import HEADER, PAGE, end, normal, part, start, zero


def test_every_section_has_its_pages_by_hand() -> None:
    body = part(normal(0, "ram") + zero(1)) + end(normal(1))
    lines = report(read_stream(HEADER + start({"ram": 2 * PAGE}) + body + b"\0")).split("\n")
    assert lines[0] == "Stream stream: none, 8325 B, 3 pages, 1 of them in save_complete"
    assert [line.split() for line in lines[2:8]] == [
        ["offset", "record", "name", "id", "bytes", "round", "normal", "zero", "xbzrle"],
        ["0", "configuration", "-", "-", "17", "-", "-", "-", "-"],
        ["17", "start", "ram", "1", "50", "-", "0", "0", "0"],
        ["67", "part", "ram", "1", str(18 + 8 + PAGE + 4 + 9), "0", "1", "1", "0"],
        ["4202", "end", "ram", "1", str(18 + 8 + PAGE), "1", "1", "0", "0"],
        ["8324", "eof", "-", "-", "1", "-", "-", "-", "-"],
    ]


@pytest.mark.parametrize("name", ["10.2-xbzrle", "10.2-mapped-ram", "10.2-multifd"])
def test_a_long_table_keeps_its_ends(name: str) -> None:
    stream = recorded.stream(name)
    text = report(stream)
    assert len(text.split("\n")) < 80
    hidden = len(stream.records) - 40
    assert (f"… {hidden} more, --json has them …" in text) == (hidden > 0)
    assert len(to_dict(stream)["records"]) == len(stream.records)
    assert ("present_pages" in text) == ("mapped" in name)
    assert ("packets" in text) == ("multifd" in name)
