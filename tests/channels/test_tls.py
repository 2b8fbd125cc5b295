"""TLS with QEMU's files: both ends checked, by the host's name and by the client's."""

import contextlib
import shutil
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from channels.test_transports import BULK, LIMIT_S, talk
from migkit.channels import (
    Channel,
    InetAddress,
    Listener,
    TlsFiles,
    connect,
    listen,
    parse_address,
)
from migkit.channels.tls import _read_keys
from migkit.errors import ChannelError

FILES = Path(__file__).parent / "certificates"
SOURCE = "O=migkit tests,CN=source"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


def pair(
    pool: ThreadPoolExecutor,
    server: TlsFiles,
    client: TlsFiles,
    host: str = "127.0.0.1",
    *,
    refused: bool = False,
) -> tuple[Channel, Channel]:
    with listen(parse_address("tcp:127.0.0.1:0"), server) as listener:
        accepting = pool.submit(listener.accept, 3.0 if refused else LIMIT_S)
        assert isinstance(listener.address, InetAddress)
        try:
            made = connect(InetAddress(host, listener.address.port, ipv4=True), client)
        except ChannelError:
            accepting.exception(LIMIT_S)
            raise
        return made, accepting.result(LIMIT_S)


def nobody_comes(pool: ThreadPoolExecutor, listener: Listener, asking: Future[Channel]) -> None:
    """Demand that a client is refused, and was not let in while it was."""
    accepting = pool.submit(listener.accept)
    with asking.result(LIMIT_S) as refused, pytest.raises(ChannelError):
        refused.read(1)
    listener.close()
    with pytest.raises(ChannelError, match="closed"):
        accepting.result(LIMIT_S)


def test_both_ends_are_checked(pool: ThreadPoolExecutor) -> None:
    files = TlsFiles(FILES, authz=("CN=someone,O=else", SOURCE))
    one, other = pair(pool, files, TlsFiles(FILES))
    with one, other:
        talk(one, other, pool)


def test_a_thread_reads_while_another_writes(pool: ThreadPoolExecutor) -> None:
    one, other = pair(pool, TlsFiles(FILES), TlsFiles(FILES), "localhost")
    with one, other:
        reading = pool.submit(one.read, 4)
        time.sleep(0.05)
        writing = pool.submit(one.write, BULK)
        assert other.read(len(BULK)) == BULK
        writing.result(LIMIT_S)
        other.write(b"pong")
        assert reading.result(LIMIT_S) == b"pong"
        reading = pool.submit(one.read_some)
        one.shutdown()
        assert reading.result(LIMIT_S) == b""


def test_a_server_of_another_name_is_refused(pool: ThreadPoolExecutor) -> None:
    with (
        pytest.warns(RuntimeWarning, match="TLS handshake with tcp:127"),
        pytest.raises(ChannelError, match=r"(?i)host ?name mismatch|not valid for"),
    ):
        pair(pool, TlsFiles(FILES), TlsFiles(FILES, hostname="other.example"), refused=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_client_of_another_name_is_refused(pool: ThreadPoolExecutor) -> None:
    files = TlsFiles(FILES, authz=("CN=root",))
    with listen(parse_address("tcp:127.0.0.1:0"), files) as listener:
        asking = pool.submit(connect, listener.address, TlsFiles(FILES))
        nobody_comes(pool, listener, asking)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_client_without_a_certificate_is_refused(
    pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    shutil.copy(FILES / "ca-cert.pem", tmp_path)
    with listen(parse_address("tcp:127.0.0.1:0"), TlsFiles(FILES)) as listener:
        asking = pool.submit(connect, listener.address, TlsFiles(tmp_path))
        nobody_comes(pool, listener, asking)
    one, other = pair(pool, TlsFiles(FILES, verify_peer=False), TlsFiles(tmp_path))
    with one, other:
        one.write(b"let in")
        assert other.read(6) == b"let in"


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "half"])
def test_peers_that_do_not_shake_hands_hold_nobody_up(
    said: bytes, pool: ThreadPoolExecutor
) -> None:
    """They are let alone: their limit is a minute, and the next peer comes in at once."""
    with (
        contextlib.ExitStack() as silent,
        listen(parse_address("tcp:127.0.0.1:0"), TlsFiles(FILES)) as listener,
    ):
        for _ in range(20):
            silent.enter_context(connect(listener.address)).write(said)
        asking = pool.submit(connect, listener.address, TlsFiles(FILES), 50.0)
        with listener.accept(50) as other, asking.result(50) as one:
            one.write(b"next")
            assert other.read(4) == b"next"


def test_a_handshake_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migkit.channels.connecting.HANDSHAKE_S", 0.1)
    with (
        listen(parse_address("tcp:127.0.0.1:0"), TlsFiles(FILES)) as listener,
        connect(listener.address),
        pytest.warns(RuntimeWarning, match="timed out"),
        pytest.raises(ChannelError, match="nobody came"),
    ):
        listener.accept(3)


@pytest.mark.filterwarnings("ignore:TLS handshake")
def test_of_very_many_handshakes_the_oldest_makes_room(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migkit.channels.handshakes.MOST", 3)
    with (
        contextlib.ExitStack() as silent,
        listen(parse_address("tcp:127.0.0.1:0"), TlsFiles(FILES)) as listener,
    ):
        flood = [silent.enter_context(connect(listener.address)) for _ in range(4)]
        accepting = pool.submit(listener.accept, 50.0)
        assert flood[0].ready(50.0)
        assert not flood[3].ready(0.0)
        listener.close()
        assert isinstance(accepting.exception(50), ChannelError)


def test_files_that_are_missing_or_wrong_are_named(tmp_path: Path) -> None:
    address = parse_address("tcp:127.0.0.1:0")
    with pytest.raises(ChannelError, match=r"no server-cert\.pem"):
        listen(address, TlsFiles(tmp_path))
    with pytest.raises(ChannelError, match="no such directory"):
        TlsFiles(tmp_path / "nowhere")
    for name in ("ca-cert.pem", "server-cert.pem", "server-key.pem"):
        (tmp_path / name).write_text("no certificate")
    with pytest.raises(ChannelError, match="as QEMU's tls-creds do"):
        listen(address, TlsFiles(tmp_path))
    with pytest.raises(ChannelError, match="only sockets have it"):
        connect(parse_address("exec:cat"), TlsFiles(FILES))


@pytest.mark.parametrize(
    ("name", "told"),
    [("foreign", "unable to get local issuer certificate"), ("expired", "has expired")],
)
def test_certificates_that_are_not_in_order_are_named(
    name: str, told: str, pool: ThreadPoolExecutor
) -> None:
    good, bad = TlsFiles(FILES), TlsFiles(FILES / name, verify_peer=False)
    with (
        pytest.warns(RuntimeWarning, match="it refused"),
        pytest.raises(ChannelError, match=f"its certificate: .*{told}"),
    ):
        pair(pool, bad, good, refused=True)
    with listen(parse_address("tcp:127.0.0.1:0"), good) as listener:
        asking = pool.submit(connect, listener.address, bad)
        with (
            pytest.warns(RuntimeWarning, match=f"its certificate: .*{told}"),
            pytest.raises(ChannelError, match="nobody came"),
        ):
            listener.accept(3.0)
        with asking.result(50) as refused, pytest.raises(ChannelError, match="it refused: "):
            refused.read(1)


def test_an_end_without_tls_is_named(pool: ThreadPoolExecutor) -> None:
    with (
        listen(parse_address("tcp:127.0.0.1:0"), TlsFiles(FILES)) as listener,
        connect(listener.address) as plain,
    ):
        plain.write(b"QEVM\0\0\0\3")
        with (
            pytest.warns(RuntimeWarning, match="it speaks no TLS · give it credentials"),
            pytest.raises(ChannelError, match="nobody came"),
        ):
            listener.accept(3.0)
    with listen(parse_address("tcp:127.0.0.1:0")) as listener:
        asking = pool.submit(connect, listener.address, TlsFiles(FILES))
        with listener.accept(50) as plain:
            assert plain.read(2) == b"\x16\x03"
            plain.write(b"no TLS here")
            assert "it speaks no TLS" in str(asking.exception(50))
    with listen(parse_address("tcp:127.0.0.1:0")) as listener:
        asking = pool.submit(connect, listener.address, TlsFiles(FILES))
        listener.accept(50).close()
        assert "it ended the connection · look at its log" in str(asking.exception(50))


def keys(folder: Path, key: str = "0123456789abcdef" * 2, name: str = "qemu") -> Path:
    folder.mkdir()
    (folder / "keys.psk").write_text(f"# as psktool writes it\n{name}:{key}\n")
    return folder


class TestKeys:
    """PSK: with Python 3.13, and the sentence that says so before."""

    def test_they_need_a_python_that_has_them(
        self, tmp_path: Path, pool: ThreadPoolExecutor
    ) -> None:
        files = TlsFiles(keys(tmp_path / "k"))
        assert files.kind == "psk"
        if not getattr(ssl, "HAS_PSK", False):
            with pytest.raises(ChannelError) as caught:
                listen(parse_address("tcp:127.0.0.1:0"), files)
            assert str(caught.value) == (
                "TLS with keys.psk · Python's ssl has PSK from 3.13 on · "
                "use x509, or run migkit with Python 3.13 or later"
            )
            return
        one, other = pair(pool, files, files)
        with one, other:
            talk(one, other, pool)

    @pytest.mark.parametrize(
        ("other", "told"),
        [
            ({"key": "ab" * 16}, "it has another key · give both ends the same keys.psk"),
            ({"name": "stranger"}, "its user name is 'stranger', allowed qemu"),
        ],
    )
    def test_a_client_with_others_is_refused(
        self, other: dict[str, str], told: str, tmp_path: Path, pool: ThreadPoolExecutor
    ) -> None:
        server = TlsFiles(keys(tmp_path / "s"))
        client = TlsFiles(keys(tmp_path / "c", **other), username=other.get("name", "qemu"))
        if not getattr(ssl, "HAS_PSK", False):
            with pytest.raises(ChannelError, match=r"Python 3\.13"):
                connect(parse_address("unix:/nowhere"), client)
            return
        with (
            pytest.warns(RuntimeWarning, match=told),
            pytest.raises(ChannelError, match=r"it refused: |it ended the connection"),
        ):
            pair(pool, server, client, refused=True)

    def test_what_is_no_key_is_refused(self, tmp_path: Path) -> None:
        for number, line in enumerate(("qemu", "qemu:", "qemu:xyz", ":abcd")):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "keys.psk").write_text(f"{line}\n")
            with pytest.raises(ChannelError, match="no name:hexadecimal"):
                _read_keys(TlsFiles(folder))
