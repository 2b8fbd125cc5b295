"""A TLS session on top of another transport.

The session lives in memory and is guarded by a lock that is never held while anything blocks: so
one thread can wait for the peer while another writes, which one OpenSSL object does not allow.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Sequence

from migkit.errors import ChannelError

from .channel import Transport
from .tls import TlsFiles, check_peer, context_of
from .tls_reasons import reason_of
from .transports import SocketTransport

__all__ = ["TlsTransport", "handshake"]

_AT_ONCE = 1 << 17
_RECORD = 1 << 14


class TlsTransport:
    """An established session.

    Parameters
    ----------
    carrier : Transport
        What carries the encrypted bytes.
    session : SSLObject
        On the two buffers.
    incoming, outgoing : MemoryBIO
        Its encrypted bytes.
    """

    def __init__(
        self,
        carrier: Transport,
        session: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        self._carrier, self.session = carrier, session
        self._incoming, self._outgoing = incoming, outgoing
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._cipher = memoryview(bytearray(_AT_ONCE))

    def shake_hands(self) -> None:
        """Do the handshake."""
        while True:
            try:
                self.session.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fetch()
            else:
                self._flush()
                return

    def receive_into(self, view: memoryview) -> int:
        """Fill a part of the view; 0 at the end."""
        while True:
            with self._lock:
                try:
                    return self._decrypt(view)
                except ssl.SSLWantReadError:
                    pass
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return 0
                except ssl.SSLError as error:  # as of TLS 1.3, where a client is refused later
                    raise ConnectionError(reason_of(error)[0]) from None
            self._flush()
            self._fetch()

    def _decrypt(self, view: memoryview) -> int:
        """Take all that is decrypted or can be; a record holds 16 KiB at most."""
        done = 0
        while done < len(view):
            try:
                count = int(self.session.read(len(view) - done, view[done:]))
            except ssl.SSLWantReadError:
                if done:
                    break
                raise
            if not count:
                break
            done += count
        return done

    def _fetch(self) -> None:
        count = self._carrier.receive_into(self._cipher)
        with self._lock:
            if count:
                self._incoming.write(self._cipher[:count])
            else:
                self._incoming.write_eof()

    def send(self, buffers: Sequence[memoryview]) -> int:
        """Take a part of the buffers."""
        done = 0
        with self._lock:
            for buffer in buffers:
                for at in range(0, len(buffer), _RECORD):
                    done += self._encrypt(buffer[at : at + _RECORD])
                if done >= _AT_ONCE:
                    break
        self._flush()
        return done

    def _encrypt(self, part: memoryview) -> int:
        try:
            return self.session.write(part)
        except ssl.SSLError as error:
            raise ConnectionError(reason_of(error)[0]) from None

    def _flush(self) -> None:
        with self._sending:
            with self._lock:
                ready = self._outgoing.read()
            rest = memoryview(ready)
            while rest:
                rest = rest[self._carrier.send((rest,)) :]

    def ready(self, timeout_s: float | None) -> bool:
        """Wait until something can be read."""
        with self._lock:
            if self.session.pending() or self._incoming.pending:
                return True
        return self._carrier.ready(timeout_s)

    def shutdown(self) -> None:
        """End both directions."""
        self._carrier.shutdown()

    def shut_write(self) -> None:
        """Tell the peer that no more follows."""
        with self._lock, contextlib.suppress(ssl.SSLError):
            self.session.unwrap()
        self._flush()
        self._carrier.shut_write()

    def close(self) -> None:
        """Close what carries it."""
        self._carrier.close()

    def fileno(self) -> int:
        """Return the descriptor of what carries it."""
        return self._carrier.fileno()


def handshake(
    carrier: SocketTransport, files: TlsFiles, peer: str, *, server: bool, hostname: str = ""
) -> TlsTransport:
    """Establish TLS on a connection.

    Parameters
    ----------
    carrier : SocketTransport
        Connected, with the time limit that holds for the handshake.
    files : TlsFiles
        The credentials.
    peer : str
        Who is at the other end.
    server : bool
        Which end this is.
    hostname : str
        What a server's certificate is checked for.

    Returns
    -------
    TlsTransport
        The session.

    Raises
    ------
    ChannelError
        If the handshake fails, or the peer is not who may connect.
    """
    context = context_of(files, server=server)
    name = files.hostname or hostname
    if context.check_hostname and not name:
        raise ChannelError.of(
            f"TLS to {peer}", "no name to check the certificate for", "give the hostname"
        )
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(
        incoming,
        outgoing,
        server_side=server,
        server_hostname=name or None if not server else None,
    )
    made = TlsTransport(carrier, session, incoming, outgoing)
    try:
        made.shake_hands()
        if server:
            check_peer(session, files, peer)
    except (OSError, ValueError) as error:
        with contextlib.suppress(OSError):
            made._flush()  # the alert says why
        reason, remedy = context.refused or reason_of(error)
        raise ChannelError.of(f"TLS handshake with {peer}", reason, remedy) from None
    return made
