"""Device state, decoded by the description that a precopy stream ends with."""

import pytest

from migkit.stream import read_stream
from migkit.stream.devices import leaves
from stream import recorded
from stream.composed import HEADER, description, full

NAMES = recorded.named("file", "tcp", "mapped-ram", "multifd")


@pytest.mark.parametrize("name", NAMES)
def test_fields_cover_each_section_without_a_gap(name: str) -> None:
    stream = recorded.stream(name)
    assert len(stream.devices) == 31
    for device in stream.devices:
        at = device.offset
        for field in device.fields:
            assert field.offset == at
            at += field.length
        assert at == device.offset + device.length
        assert device.fields or not device.length
        for path, leaf in leaves(device.fields):
            assert device.offset <= leaf.offset <= at, path


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_machine(name: str) -> None:
    fields = recorded.stream(name).device_fields
    state = fields[fields["device"] == "globalstate"].set_index("field")["value"]
    assert state["size"] == str(len("running") + 1)
    assert bytes.fromhex(state["runstate"].rstrip("…")).startswith(b"running\0")
    cpu = fields[fields["device"] == "cpu"].set_index("field")
    assert len(cpu) > 80
    assert set(fields["type"]) >= {"uint8", "uint32", "uint64", "buffer", "bool"}


def test_lengths_by_hand() -> None:
    inner = {"fields": [{"name": "a", "type": "uint16", "size": 2}]}
    device = {
        "name": "cpu",
        "instance_id": 1,
        "fields": [
            {"name": "n", "type": "int32", "size": 4},
            {"name": "regs", "type": "uint64", "array_len": 3, "size": 8},
            {"name": "s", "type": "struct", "size": 2, "struct": inner},
            {"name": "x", "index": 4, "type": "buffer", "size": 1},
        ],
        "subsections": [{"vmsd_name": "cpu/more", "version": 1, **inner}],
    }
    # A footer of this section inside the body: only the description tells that it is none.
    regs = b"\x7e\0\0\0\7" + b"\0" + b"\x06" + bytes(17)
    body = b"\xff\xff\xff\xfe" + regs + b"\1\2" + b"\xab"
    body += b"\5\x08cpu/more" + b"\0\0\0\1" + b"\3\4"
    tail = b"\0" + description([device])
    stream = read_stream(HEADER + full("cpu", body, 7, instance=1) + tail)
    [state] = stream.devices
    assert (state.instance_id, state.length) == (1, len(body))
    told = {path: (leaf.offset - state.offset, leaf.value) for path, leaf in leaves(state.fields)}
    assert told == {
        "n": (0, "-2"),
        "regs": (4, regs.hex()),
        "s.a": (28, str(0x0102)),
        "x[4]": (30, "ab"),
        "cpu/more.a": (31 + 14, str(0x0304)),
    }
    assert state.fields[-1].type == "subsection"
    frame = stream.device_fields
    assert frame["field"].tolist() == list(told)
    assert frame["bytes"].tolist() == [4, 24, 2, 1, 2]
