"""Addresses: QEMU's URIs and its JSON form, what each allows, and what is refused."""

import json

import pytest

from migkit.channels import (
    Address,
    ExecAddress,
    FdAddress,
    FileAddress,
    InetAddress,
    UnixAddress,
    VsockAddress,
    parse_address,
)
from migkit.errors import ChannelError

INET = {"transport": "socket", "type": "inet", "host": "::1", "port": "4444"}
MAIN = {"channel-type": "main", "addr": INET}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("tcp:127.0.0.1:4444", InetAddress("127.0.0.1", "4444")),
        ("tcp::0", InetAddress("", "0")),
        ("tcp:[::1]:4444,ipv6=on", InetAddress("::1", "4444", ipv6=True)),
        (
            "tcp:host:4444,to=4450,ipv4,ipv6=off,keep-alive=on,numeric=off,mptcp=off",
            InetAddress("host", "4444", to=4450, ipv4=True, ipv6=False, keep_alive=True),
        ),
        ("unix:/srv/a,b", UnixAddress("/srv/a,b")),
        ("vsock:3:1234", VsockAddress(3, 1234)),
        ("fd:7", FdAddress("7")),
        ("fd:/run/give.sock", FdAddress("/run/give.sock")),
        ("exec:cat > a:b", ExecAddress(("/bin/sh", "-c", "cat > a:b"))),
        ("file:/srv/a", FileAddress("/srv/a")),
        ("file:/srv/a,b,offset=0x1000", None),
        ("file:/srv/a,b,offset=4k", FileAddress("/srv/a,b", 4096)),
    ],
)
def test_uris(written: str, expected: Address | None) -> None:
    if expected is None:
        with pytest.raises(ChannelError, match="offset"):
            parse_address(written)
        return
    assert parse_address(written) == expected
    assert parse_address(str(expected)) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (INET, InetAddress("::1", "4444")),
        (MAIN, InetAddress("::1", "4444")),
        ([MAIN], InetAddress("::1", "4444")),
        (json.dumps([MAIN]), InetAddress("::1", "4444")),
        (INET | {"port": 1, "to": 9, "ipv4": False}, InetAddress("::1", "1", to=9, ipv4=False)),
        ({"transport": "socket", "type": "unix", "path": "/a"}, UnixAddress("/a")),
        ({"transport": "socket", "type": "vsock", "cid": "3", "port": "5"}, VsockAddress(3, 5)),
        ({"transport": "socket", "type": "fd", "str": "4"}, FdAddress("4")),
        ({"transport": "exec", "args": ["/bin/cat", "-u"]}, ExecAddress(("/bin/cat", "-u"))),
        ({"transport": "file", "filename": "/a", "offset": 7}, FileAddress("/a", 7)),
    ],
)
def test_json(written: object, expected: Address) -> None:
    assert parse_address(written) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("rdma:host:1", "unknown migration protocol: rdma"),
        ("tpc:host:1", "did you mean tcp"),
        ("nothing", "write tcp:HOST:PORT"),
        ("tcp:host", "no host and port"),
        ("tcp:::1:4444", "in brackets"),
        ("tcp:host:65536", "allowed 0..65535"),
        ("tcp:host:1,ipv4=off,ipv6=off", "cannot disable IPv4 and IPv6 at same time"),
        ("tcp:host:9,to=8", "behind the first"),
        ("tcp:host:1,ipv5=on", "ipv5"),
        ("tcp:host:1,ipv4=yes", "=on or =off"),
        ("unix:", "invalid Unix socket address"),
        ("unix:" + "a" * 108, "107 B"),
        ("vsock:a:b", "vsock:CID:PORT"),
        ("vsock:3", "allowed two numbers"),
        ("vsock:4294967296:1", "allowed two numbers up to 4294967295"),
        ("fd:name", "no number"),
        ("exec:", "no command"),
        ("file:", "no path"),
        ("file:/a,offset=far", "is no size"),
        ("{", "no JSON"),
        ("[]", "one entry of type main"),
        ([MAIN, MAIN], "more than one main entry"),
        ([MAIN | {"channel-type": "cpr"}], "cpr"),
        ([MAIN | {"channel-type": "mian"}], "did you mean main"),
        ([{"channel-type": "main"}], "without addr"),
        (INET | {"hots": "a"}, "did you mean host"),
        (INET | {"ipv4": "on"}, "QEMU's type"),
        (INET | {"to": True}, "QEMU's type"),
        ({"transport": "socket", "type": "pipe"}, "inet, unix, vsock, fd"),
        ({"transport": "rdma", "host": "a", "port": "1"}, "rdma is not spoken"),
        ({"transport": "exec", "args": []}, "the program and its arguments"),
        ({"transport": "file", "filename": "a", "offset": -1}, "offset from 0 up"),
        ({"transport": "socket", "type": "inet", "port": "1"}, "without host"),
    ],
)
def test_what_is_refused_says_why(written: object, told: str) -> None:
    with pytest.raises(ChannelError) as caught:
        parse_address(written)  # type: ignore[arg-type]
    assert told in str(caught.value)
