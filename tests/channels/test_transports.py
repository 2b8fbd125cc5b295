"""Channels over every transport: all bytes, both directions, and every wait has an end."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from migkit.channels import (
    Channel,
    ExecAddress,
    FdAddress,
    FileAddress,
    InetAddress,
    UnixAddress,
    VsockAddress,
    connect,
    listen,
    parse_address,
)
from migkit.channels.connecting import socket_pair
from migkit.channels.descriptors import pass_descriptor
from migkit.errors import ChannelError

BULK = os.urandom(1 << 20)
LIMIT_S = 60.0


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


def talk(one: Channel, other: Channel, pool: ThreadPoolExecutor) -> None:
    """Bulk data in both directions at once, then the end of one."""
    writing = [pool.submit(one.writev, (BULK, b"", b"end")), pool.submit(other.write, BULK)]
    assert other.peek(4) == BULK[:4]
    assert other.ready()
    assert other.read(len(BULK)) == BULK
    assert one.read(len(BULK)) == BULK
    assert other.read_some(2) in {b"e", b"en"}
    for written in writing:
        written.result(LIMIT_S)
    one.shut_write()
    assert other.read_some(10) in {b"nd", b"d"}
    assert other.read_some() == b""


@pytest.mark.parametrize("make", ["tcp::0", "tcp:[::1]:0,ipv6=on", "unix"])
def test_sockets(make: str, pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "s")) if make == "unix" else parse_address(make)
    with listen(address) as listener:
        assert str(listener.address) != "tcp::0"
        with connect(listener.address) as one, listener.accept(LIMIT_S) as other:
            talk(one, other, pool)
    assert not (tmp_path / "s").exists()


def test_a_read_says_how_much_came() -> None:
    one, other = socket_pair()
    one.write(b"abc")
    one.close()
    with pytest.raises(ChannelError, match="ended after 3 B of 8 B"):
        other.read(8)
    assert other.peek(1) == b""
    with other, pytest.raises(ChannelError, match="look at the peer"):
        other.writev([BULK] * 100)


@pytest.mark.parametrize("kind", ["socket", "command"])
def test_a_blocked_read_ends_by_a_shutdown_elsewhere(kind: str, pool: ThreadPoolExecutor) -> None:
    if kind == "socket":
        channel, other = socket_pair()
    else:
        channel = other = connect(parse_address("exec:cat"))
    reading = pool.submit(channel.read_some)
    time.sleep(0.05)
    assert not reading.done()
    channel.shutdown()
    assert reading.result(LIMIT_S) == b""
    channel.close()
    other.close()


def test_a_blocked_write_to_a_command_ends_by_a_shutdown(pool: ThreadPoolExecutor) -> None:
    with connect(ExecAddress(("sleep", "1"))) as channel:
        writing = pool.submit(channel.write, BULK)
        time.sleep(0.05)
        channel.shutdown()
        with pytest.raises(ChannelError):
            writing.result(LIMIT_S)


def test_an_accept_ends_by_its_limit_and_by_a_close(pool: ThreadPoolExecutor) -> None:
    listener = listen(InetAddress("", "0"))
    with pytest.raises(ChannelError, match=r"nobody came in 0\.01 s"):
        listener.accept(0.01)
    accepting = pool.submit(listener.accept)
    time.sleep(0.05)
    listener.close()
    with pytest.raises(ChannelError, match="closed"):
        accepting.result(LIMIT_S)
    with pytest.raises(ChannelError, match="it was closed"):
        listener.accept()


def test_a_command(tmp_path: Path) -> None:
    with connect(parse_address(f"exec:cat > {tmp_path}/out; echo done")) as channel:
        channel.write(BULK)
        channel.shut_write()
        assert channel.read(5) == b"done\n"
    assert (tmp_path / "out").read_bytes() == BULK
    with listen(parse_address(f"exec:cat {tmp_path}/out")) as listener:
        with listener.accept(LIMIT_S) as channel:
            assert channel.read(len(BULK)) == BULK
        with pytest.raises(ChannelError, match="nobody came"):
            listener.accept(0.01)
    with pytest.raises(ChannelError, match="a program that is there"):
        connect(ExecAddress(("/nowhere/program",)))


def test_a_file_at_its_offset(tmp_path: Path) -> None:
    path = tmp_path / "stream"
    path.write_bytes(b"0123456789")
    address = FileAddress(str(path), 4)
    with connect(address) as channel:
        channel.write(b"abc")
        with pytest.raises(ChannelError, match="only written to"):
            channel.read(1)
    assert path.read_bytes() == b"0123abc"
    with listen(address) as listener, listener.accept() as channel:
        assert channel.read(3) == b"abc"
        assert channel.read_some() == b""
    with pytest.raises(ChannelError, match="a file that is there"):
        listen(FileAddress("/nowhere/stream")).accept()


def test_a_descriptor_by_number(pool: ThreadPoolExecutor) -> None:
    left, right = socket.socketpair()
    with left, right:
        one = connect(FdAddress(str(left.fileno())))
        other = listen(FdAddress(str(right.fileno()))).accept()
    with one, other:
        talk(one, other, pool)
    with pytest.raises(ChannelError, match="not open"):
        connect(FdAddress("999999"))


def test_a_descriptor_that_is_a_pipe() -> None:
    read, write = os.pipe()
    with connect(FdAddress(str(write))) as one, listen(FdAddress(str(read))).accept() as other:
        os.close(write)
        one.write(b"abc")
        one.close()
        assert other.read(3) == b"abc"
        assert other.read_some() == b""
    os.close(read)


def test_a_descriptor_that_is_passed(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    path = str(tmp_path / "pass")
    waiting = pool.submit(listen(FdAddress(path)).accept, LIMIT_S)
    left, right = socket.socketpair()
    end = time.monotonic() + LIMIT_S
    while not Path(path).exists() and time.monotonic() < end:
        time.sleep(0.01)
    pass_descriptor(path, right.fileno())
    with waiting.result(LIMIT_S) as other:
        left.sendall(b"abc")
        assert other.read(3) == b"abc"
    left.close()
    right.close()
    assert not Path(path).exists()
    with pytest.raises(ChannelError, match=r"none came in 0\.01 s"):
        connect(FdAddress(path), timeout_s=0.01)


def test_a_place_that_others_can_reach_is_said_aloud(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="anyone who reaches it"):
        listen(InetAddress("0.0.0.0", "0")).close()


def test_ports_up_to_the_last_are_tried() -> None:
    with listen(InetAddress("", "0")) as taken:
        assert isinstance(taken.address, InetAddress)
        first = int(taken.address.port)
        with listen(InetAddress("", str(first), to=first + 50)) as listener:
            assert isinstance(listener.address, InetAddress)
            assert first < int(listener.address.port) <= first + 50
        with pytest.raises(ChannelError, match="in use"):
            listen(taken.address)


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda: connect(parse_address("tcp:127.0.0.1:1")), "refused"),
        (lambda: connect(UnixAddress("/nowhere/socket")), "No such file"),
        (lambda: listen(InetAddress("192.0.2.1", "0")), "listen on tcp:192.0.2.1:0"),
        (lambda: listen(InetAddress("a.name", "0", numeric=True)), "find"),
    ],
)
def test_what_cannot_be_reached_says_so(act: Callable[[], object], told: str) -> None:
    with pytest.raises(ChannelError, match=told):
        act()


def test_vsock_that_is_absent_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_VSOCK", raising=False)
    with pytest.raises(ChannelError, match="no vsock"):
        connect(VsockAddress(2, 1))


def vsock_loopback() -> str:
    """Return why this machine's kernel has no loopback of vsock; empty where it has."""
    if not (hasattr(socket, "AF_VSOCK") and Path("/dev/vsock").exists()):
        return "this machine has no vsock"
    try:
        with socket.socket(socket.AF_VSOCK) as made:
            made.bind((1, 0xFFFFFFFF))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def test_vsock_within_this_machine(pool: ThreadPoolExecutor) -> None:
    """Its own context is 1; a kernel without loopback is said so."""
    address = parse_address("vsock:1:4294967295")
    missing = vsock_loopback()
    if missing:
        with pytest.raises(ChannelError) as caught:
            listen(address)
        assert missing in str(caught.value)
        assert "vsock" in str(caught.value)
        return
    with listen(address) as listener:
        assert isinstance(listener.address, VsockAddress)
        assert listener.address.port < 0xFFFFFFFF
        with connect(listener.address) as one, listener.accept(50) as other:
            talk(one, other, pool)
    with pytest.raises(ChannelError, match=r"check|load the kernel's"):
        connect(VsockAddress(1, listener.address.port), timeout_s=5)


def test_vsock_of_a_context_that_is_not_there() -> None:
    with pytest.raises(
        ChannelError, match=r"check the CID: 2 is the host|this machine has no vsock"
    ):
        connect(VsockAddress(77, 1), timeout_s=5)


def test_threads_that_write_do_not_mix() -> None:
    one, other = socket_pair()
    parts = [bytes([number]) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=one.write, args=(part,)) for part in parts]
    with one, other:
        for thread in threads:
            thread.start()
        came = [other.read(100_000) for _ in parts]
        for thread in threads:
            thread.join(LIMIT_S)
    assert sorted(came) == parts


def test_nothing_is_accepted_after_close() -> None:
    listener = listen(parse_address("tcp:127.0.0.1:0"))
    listener.close()
    with pytest.raises(ChannelError, match="it was closed"):
        listener.accept()
