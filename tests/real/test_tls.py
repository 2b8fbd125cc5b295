"""TLS with real QEMUs: who is let in, and one clear word here for who is not.

The other half of each, that a right peer comes in, is `test_receive` and `test_send`; here with
keys. Keys need Python 3.13: before that the one sentence which says so is demanded.
"""

import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from migkit.channels import TlsFiles
from migkit.errors import ChannelError, MigkitError
from migkit.lab import Qemu
from migkit.lab.guest_program import build_guest
from migkit.live import Receiver, send
from real.machine import LIMIT_S, Machine
from real.send_destination import MEMORY_MIB, save_guest
from real.test_receive import Destination, check, running

FILES = Path(__file__).parents[1] / "channels" / "certificates"
SOURCE = "O=migkit tests,CN=source"
HAS_PSK = getattr(ssl, "HAS_PSK", False)
KEY, OTHER_KEY = "c0ffee" * 10, "5eed" * 16
NEEDS = "TLS with keys.psk · Python's ssl has PSK from 3.13 on · use x509, or run migkit with "
Loads = Callable[..., None]


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_guest(tmp_path_factory.mktemp("guest"))


@pytest.fixture(params=["before", "after"])
def qemu(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"qemu_{request.param}")


@pytest.fixture
def source(qemu: Qemu, guest: Path, tmp_path: Path) -> Iterator[Machine]:
    with running(qemu, guest, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def kept() -> dict[str, Path]:
    """Guests that were saved already, by the rule of their QEMU."""
    return {}


@pytest.fixture
def saved(qemu: Qemu, kept: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    if qemu.rule not in kept:
        folder = tmp_path_factory.mktemp("saved") / qemu.rule
        kept[qemu.rule] = save_guest(qemu, _board(qemu), folder)[0]
    return kept[qemu.rule]


def _board(qemu: Qemu) -> str:
    major, minor = qemu.version[:2]
    return f"pc-i440fx-{major}.{minor}"


@contextmanager
def waiting(
    qemu: Qemu, folder: Path, credentials: str, *capabilities: str, **parameters: Any
) -> Iterator[tuple[Machine, str]]:
    """Start a destination with credentials, or without; return its address too."""
    words = ["-machine", _board(qemu), "-m", str(MEMORY_MIB), "-incoming", "defer"]
    if credentials:
        words += ["-object", f"{credentials},id=tls0,endpoint=server"]
        parameters["tls_creds"] = "tls0"
    found = Machine(qemu.command, words, folder / "dest")
    try:
        found.connect()
        found.enable(*capabilities, **parameters)
        found.tell("migrate-incoming", uri="tcp:127.0.0.1:0")
        yield found, found.tcp()
    finally:
        found.close()


def keys(folder: Path, key: str = KEY, name: str = "qemu") -> Path:
    """Write keys as psktool does."""
    folder.mkdir()
    (folder / "keys.psk").write_text(f"{name}:{key}\n")
    return folder


def loaded(source: Machine, name: str, kind: str, **members: Any) -> None:
    """Give a source credentials, whatever they are worth."""
    more = {"sanity_check": False} if kind == "x509" else {}
    source.tell(
        "object-add", qom_type=f"tls-creds-{kind}", id=name, endpoint="client", **members, **more
    )
    source.enable("return-path", tls_creds=name, tls_hostname="localhost")


def refused(source: Machine, tls: TlsFiles | None) -> str:
    """Let a source come, and return what is said of it here; it fails, and nobody else comes."""
    told: list[str] = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", RuntimeWarning)
        receiver = Receiver("tcp:127.0.0.1:0", tls=tls, wait_s=LIMIT_S, warn=told.append)
        source.tell("migrate", uri=str(receiver.address))
        source.reached("failed")
        source.until(lambda: told or warned, "word of it here")
        receiver.yank()
        with pytest.raises(ChannelError, match="it was yanked here"):
            receiver.run()
    [line] = [*told, *(str(warning.message) for warning in warned)]
    assert line.count(" · ") == 2
    return line


def comes(source: Machine, folder: Path, tls: TlsFiles, *capabilities: str) -> None:
    source.switch(*capabilities)
    to = Destination(tls=tls)
    source.tell("migrate", uri=to.uri)
    source.reached("completed")
    check(source, to.result(), folder)
    source.tell("cont")


class TestSource:
    """A QEMU comes to a destination of ours."""

    def test_certificates_that_are_not_in_order(self, source: Machine) -> None:
        """Foreign, expired, of another name, and none at all."""
        for name, told in (
            ("foreign", "its certificate: unable to get local issuer certificate"),
            ("expired", "its certificate: certificate has expired"),
        ):
            folder = FILES / name
            loaded(source, name, "x509", dir=str(folder), verify_peer=False)
            line = refused(source, TlsFiles(FILES))
            assert line.startswith("TLS handshake with tcp:127.0.0.1:")
            assert told in line
            assert line.endswith("give both ends valid certificates of one authority")
        loaded(source, "good", "x509", dir=str(FILES))
        line = refused(source, TlsFiles(FILES, authz=("CN=root", "O=else,CN=source")))
        assert f"named {SOURCE} · allowed CN=root; O=else,CN=source · add its name" in line

    def test_one_end_without(self, source: Machine) -> None:
        """A plain source at a place with TLS, and the other way."""
        source.enable("return-path")
        line = refused(source, TlsFiles(FILES))
        assert "· it speaks no TLS · give it credentials" in line
        loaded(source, "good", "x509", dir=str(FILES))
        line = refused(source, None)
        assert "begins with a TLS handshake, and there are no credentials here" in line

    def test_it_checks_us(self, source: Machine) -> None:
        """Our certificate is not of its authority, is expired, or has another name.

        By TLS 1.3 it says so when the handshake is over here.
        """
        for number, (name, hostname) in enumerate(
            (("foreign", "localhost"), ("expired", "localhost"), (".", "other.example"))
        ):
            loaded(source, f"tls{number}", "x509", dir=str(FILES))
            source.tell("migrate-set-parameters", tls_hostname=hostname)
            line = refused(source, TlsFiles(FILES / name, verify_peer=False))
            known = ("it refused: ", "it ended the connection", "ended without a byte")
            assert any(f"· {found}" in line for found in known), line

    def test_keys(self, source: Machine, tmp_path: Path) -> None:
        """The right one, with multifd too; another one; and another user's."""
        files = TlsFiles(keys(tmp_path / "good"))
        if not HAS_PSK:
            with pytest.raises(ChannelError) as caught:
                Receiver("tcp:127.0.0.1:0", tls=files)
            assert str(caught.value).startswith(NEEDS)
            return
        loaded(source, "good", "psk", dir=str(files.directory))
        comes(source, tmp_path, files)
        source.enable(multifd_channels=3)
        comes(source, tmp_path, files, "multifd")
        source.switch("multifd", state=False)
        loaded(source, "other", "psk", dir=str(keys(tmp_path / "other", OTHER_KEY)))
        line = refused(source, files)
        assert "· it has another key · give both ends the same keys.psk" in line
        folder = keys(tmp_path / "stranger", name="stranger")
        loaded(source, "stranger", "psk", dir=str(folder), username="stranger")
        line = refused(source, files)
        assert "· its user name is 'stranger', allowed qemu · give it one of these" in line


def goes(saved: Path, where: str, tls: TlsFiles | None, *capabilities: str) -> str:
    """Send a guest and return what is said here where that fails; empty where it does not."""
    try:
        sent = send(saved, where, tls=tls, capabilities=capabilities or ("return-path",))
    except MigkitError as error:
        return str(error)
    return sent.error


X509 = f"tls-creds-x509,sanity-check=off,dir={FILES}"
HANDSHAKE = "TLS handshake with tcp:127.0.0.1:"


class TestDestination:
    """A guest of ours goes to a QEMU."""

    @pytest.mark.parametrize(
        ("credentials", "name", "told"),
        [
            ("/foreign,verify-peer=off", "", "its certificate: unable to get local issuer"),
            ("/expired,verify-peer=off", "", "its certificate: certificate has expired"),
            ("", "other.example", "valid for 'other.example' · give the name that is in it"),
        ],
    )
    def test_its_certificate_is_not_in_order(
        self, qemu: Qemu, saved: Path, tmp_path: Path, credentials: str, name: str, told: str
    ) -> None:
        with waiting(qemu, tmp_path / "d", X509 + credentials) as (_, where):
            said = goes(saved, where, TlsFiles(FILES, hostname=name))
        assert said.startswith(HANDSHAKE)
        assert told in said

    def test_it_has_no_tls(self, qemu: Qemu, saved: Path, tmp_path: Path) -> None:
        with waiting(qemu, tmp_path / "d", "") as (_, where):
            said = goes(saved, where, TlsFiles(FILES))
        assert said.startswith(HANDSHAKE)
        assert "· it ended the connection · look at its log: it may speak no TLS" in said

    @pytest.mark.parametrize("ours", [None, "foreign", "expired"])
    def test_it_refuses_us(
        self, qemu: Qemu, saved: Path, tmp_path: Path, ours: str | None
    ) -> None:
        """We come without TLS, with a foreign certificate, or an expired one."""
        tls = TlsFiles(FILES / ours, verify_peer=False) if ours else None
        with waiting(qemu, tmp_path / "d", X509) as (there, where):
            said = goes(saved, where, tls)
            assert there.status() in {"setup", "failed", "none"}
        assert said.startswith(("channel tcp:", HANDSHAKE))
        assert "look at the peer's log for why" in said
        assert "_ssl.c" not in said

    def test_keys(self, qemu: Qemu, saved: Path, tmp_path: Path) -> None:
        """The right one, with multifd too; another one; and another user's."""
        good = keys(tmp_path / "good")
        if not HAS_PSK:
            with pytest.raises(ChannelError) as caught:
                send(saved, f"unix:{tmp_path}/nobody", tls=TlsFiles(good))
            assert str(caught.value).startswith(NEEDS)
            return
        credentials = f"tls-creds-psk,dir={good}"
        for number, on in enumerate((("return-path",), ("multifd", "return-path"))):
            with waiting(qemu, tmp_path / f"{number}", credentials, *on) as (there, where):
                assert goes(saved, where, TlsFiles(good), *on) == ""
                there.reached("completed")
        stranger = keys(tmp_path / "stranger", name="stranger")
        with waiting(qemu, tmp_path / "d", credentials) as (_, where):
            for files in (
                TlsFiles(keys(tmp_path / "other", OTHER_KEY)),
                TlsFiles(stranger, username="stranger"),
            ):
                said = goes(saved, where, files)
                assert said.startswith(HANDSHAKE)
                assert "it ended the connection" in said or "it refused" in said
            said = goes(saved, where, TlsFiles(stranger))
        assert "no key of user name 'qemu', there are stranger" in said
