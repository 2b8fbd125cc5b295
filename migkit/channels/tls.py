"""TLS with QEMU's credentials: the files of tls-creds-x509 and tls-creds-psk.

Sources: crypto/tlscredsx509.c, crypto/tlscredspsk.c (names of the files), crypto/tlssession.c
(what is checked of a peer), authz/simple.c.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migkit.errors import ChannelError

__all__ = ["TlsFiles", "check_peer", "context_of"]

_CA, _CRL, _KEYS = "ca-cert.pem", "ca-crl.pem", "keys.psk"
_KINDS = ("x509", "psk")
_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "countryName": "C",
    "emailAddress": "EMAIL",
}


@dataclass(frozen=True)
class TlsFiles:
    """Credentials of one end, as QEMU's ``tls-creds-*`` objects have them.

    Attributes
    ----------
    directory : path
        QEMU's ``dir``. x509: ``ca-cert.pem``, ``server-cert.pem``, ``server-key.pem``,
        ``client-cert.pem``, ``client-key.pem``. PSK: ``keys.psk``, lines ``name:hexadecimal``.
    kind : {"x509", "psk"}, optional
        Told by the files if left out.
    verify_peer : bool
        QEMU's ``verify-peer``: the other end must have a certificate of this authority.
    hostname : str
        What a server's certificate is checked for, QEMU's ``tls-hostname``; the host of the
        address if left out.
    authz : tuple of str
        Names that a client may have, QEMU's ``tls-authz``: the distinguished name of its
        certificate (``CN=host,O=Example``), or its name with PSK. Empty allows all.
    username : str
        Of a client with PSK.
    """

    directory: Path | str
    kind: str = ""
    verify_peer: bool = True
    hostname: str = ""
    authz: tuple[str, ...] = field(default=())
    username: str = "qemu"

    def __post_init__(self) -> None:
        """Check it and tell the kind."""
        directory = Path(self.directory)
        if not directory.is_dir():
            raise ChannelError.of(
                f"TLS files in {directory}", "no such directory", "give the dir of tls-creds"
            )
        told = "psk" if (directory / _KEYS).exists() and not self._file(_CA) else "x509"
        object.__setattr__(self, "kind", self.kind or told)
        if self.kind not in _KINDS:
            raise ChannelError.of(f"TLS of kind {self.kind!r}", "allowed x509, psk", "use one")

    def _file(self, name: str) -> Path | None:
        path = Path(self.directory) / name
        return path if path.exists() else None

    def need(self, name: str) -> Path:
        """Return the path of a file that must be there."""
        path = self._file(name)
        if path is None:
            raise ChannelError.of(
                f"TLS files in {self.directory}", f"no {name}", f"make it, as QEMU's {self.kind}"
            )
        return path


class Context(ssl.SSLContext):
    """What a handshake needs, and what it learns.

    Attributes
    ----------
    refused : tuple of str or None
        Why the peer was refused, and what helps, where OpenSSL would not tell.
    """

    refused: tuple[str, str] | None = None


def context_of(files: TlsFiles, *, server: bool) -> Context:
    """Make what a handshake needs.

    Parameters
    ----------
    files : TlsFiles
        The credentials.
    server : bool
        Which end this is.

    Returns
    -------
    Context
        Of TLS 1.2 and later, for one handshake.

    Raises
    ------
    ChannelError
        If a file is missing or is not what it must be, or this Python has no PSK.
    """
    context = Context(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if server:
        # A source never reads tickets; closing over them resets the connection, and what it wrote
        # last would be lost.
        context.num_tickets = 0
    try:
        if files.kind == "psk":
            _psk(context, files, server=server)
        else:
            _x509(context, files, server=server)
    except (OSError, ValueError) as error:
        raise ChannelError.of(
            f"TLS files in {files.directory}", str(error), "make them as QEMU's tls-creds do"
        ) from None
    return context


def _x509(context: ssl.SSLContext, files: TlsFiles, *, server: bool) -> None:
    side = "server" if server else "client"
    if server or (Path(files.directory) / "client-cert.pem").exists():
        context.load_cert_chain(files.need(f"{side}-cert.pem"), files.need(f"{side}-key.pem"))
    if not server:
        context.check_hostname = files.verify_peer
    context.verify_mode = ssl.CERT_REQUIRED if files.verify_peer else ssl.CERT_NONE
    if files.verify_peer:
        context.load_verify_locations(files.need(_CA))
        if (Path(files.directory) / _CRL).exists():
            context.load_verify_locations(files.need(_CRL))
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _psk(context: Any, files: TlsFiles, *, server: bool) -> None:
    if not getattr(ssl, "HAS_PSK", False):
        raise ChannelError.of(
            "TLS with keys.psk",
            "Python's ssl has PSK from 3.13 on",
            "use x509, or run migkit with Python 3.13 or later",
        )
    keys = _read_keys(files)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("PSK")
    if server:
        known = {name: key for name, key in keys.items() if name in (files.authz or keys)}

        def key_of(name: str | None) -> bytes:
            if name not in known:
                context.refused = (
                    f"its user name is {name!r}, allowed {', '.join(known) or 'none'}",
                    f"give it one of these, or add its name to {_KEYS} and to authz",
                )
            return known.get(name or "", b"")

        context.set_psk_server_callback(key_of)
    else:
        if files.username not in keys:
            raise ChannelError.of(
                f"{_KEYS} in {files.directory}",
                f"no key of user name {files.username!r}, there are {', '.join(keys)}",
                "give one of these as username",
            )
        context.set_psk_client_callback(lambda _: (files.username, keys[files.username]))


def _read_keys(files: TlsFiles) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, line in enumerate(files.need(_KEYS).read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, key = line.strip().partition(":")
        try:
            keys[name] = bytes.fromhex(key)
        except ValueError:
            colon = ""
        if not (colon and name and keys[name]):
            raise ChannelError.of(
                f"line {number} of {_KEYS}", "no name:hexadecimal", "make it with psktool"
            )
    return keys


def check_peer(session: ssl.SSLObject, files: TlsFiles, peer: str) -> None:
    """Refuse a client whose certificate has none of the names that may connect.

    Parameters
    ----------
    session : SSLObject
        After its handshake.
    files : TlsFiles
        With the names.
    peer : str
        Who it is, for the error.

    Raises
    ------
    ChannelError
        If it has another name.
    """
    if not files.authz or files.kind == "psk":
        return
    certificate: Any = session.getpeercert() or {}
    parts = [
        f"{_SHORT.get(name, name)}={value}"
        for relative in certificate.get("subject", ())
        for name, value in relative
    ]
    names = {",".join(parts), ",".join(reversed(parts))}
    if names.isdisjoint(files.authz):
        raise ChannelError.of(
            f"TLS client {peer} named {','.join(parts) or 'nothing'}",
            f"allowed {'; '.join(files.authz)}",
            "add its name to authz, or give it another certificate",
        )
