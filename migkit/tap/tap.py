"""A relay between two QEMUs, as a context manager."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from migkit.channels import (
    Address,
    Channel,
    connect,
    listen,
)
from migkit.errors import ChannelError, InputError
from migkit.network import Link as NetworkLink
from migkit.units import parse_bytes

from .addresses import socket_address
from .cuts import Cut, parse_cut
from .line_text import written_line
from .link import Link
from .outage import Outage
from .result import TapResult, result_of
from .spool import free_folder, make_folder
from .state import Shared

__all__ = ["Tap"]

AfterCut = Literal["pass", "refuse"]

_POLL_S = 0.02
_CONNECT_S = 10.0
_RECORD_LIMIT = 16 << 30


class Tap:
    """Passes on all connections of one migration, and counts what passes.

    Parameters
    ----------
    listen_address, target_address : str or Address
        Where the source connects to, such as ``tcp:127.0.0.1:0`` or ``unix:/path``, and where
        the destination listens.
    rate : str or int, optional
        Limit of the way to the destination, all connections together, bytes/s.
    latency : str, optional
        How long each byte is on its way, each way, such as ``10ms``.
    link : Link or mapping, optional
        What lies between the two, as in a simulation (`migkit.tap.line.Line`): ``{"loss": "0.1%",
        "jitter": "2ms"}`` (`migkit.network.link_text.link_values`); rate and latency add to it.
    profile : str, optional
        Its bandwidth over time after the first byte: ``"0s:1Gbit/s,5s:100Mbit/s"``.
    outages : str, optional
        When it carries nothing, in either direction: ``"2s+500ms"`` (`parse_outages`).
    seed : int
        Of jitter and loss: the same messages are delayed the same.
    cut : str or Cut, optional
        When all connections are broken, once: see `parse_cut`.
    after_cut : {"pass", "refuse"}
        What becomes of connections after that.
    record : path, optional
        A folder, new or empty, that gets a file for each direction of each connection.
    record_limit : str or int
        Bytes of all these files; recording ends there.
    pages : bool
        Whether each page record is kept, for `migkit.stream.page_history`.

    Attributes
    ----------
    target : Address
        May be set anew, before the destination of a recovery is connected to.

    Raises
    ------
    InputError
        If a value is outside what is allowed.
    ChannelError
        On entering, if the address cannot be listened at.

    Examples
    --------
    >>> with Tap("tcp:127.0.0.1:0", "tcp:127.0.0.1:4445", cut="save_complete") as tap:
    ...     print(str(tap.address).rsplit(":", 1)[0])
    tcp:127.0.0.1
    """

    def __init__(
        self,
        listen_address: str | Address,
        target_address: str | Address,
        *,
        rate: str | int | None = None,
        latency: str | None = None,
        link: NetworkLink | Mapping[str, Any] | None = None,
        profile: str | None = None,
        outages: str | Sequence[Outage] = (),
        seed: int = 1,
        cut: str | Cut | None = None,
        after_cut: AfterCut = "pass",
        record: str | Path | None = None,
        record_limit: str | int = _RECORD_LIMIT,
        pages: bool = False,
    ) -> None:
        line = written_line(link, rate, latency, profile, outages, seed)
        if after_cut not in {"pass", "refuse"}:
            raise InputError.of(
                f"after_cut {after_cut!r}", "allowed pass, refuse", "give one of them"
            )
        self.target = socket_address(target_address)
        limit = parse_bytes(record_limit, "record limit")
        self.errors: list[str] = []
        self._listen_address = socket_address(listen_address)
        self._refuses = after_cut == "refuse"
        cut = parse_cut(cut) if isinstance(cut, str) else cut
        self._record = None if record is None else free_folder(Path(record))
        self._cut = cut
        self._shared = Shared(cut, line, pages=pages, spool_limit=limit, sever=self._sever)
        self._links: list[Link] = []
        self._result: TapResult | None = None

    def __enter__(self) -> Self:
        """Listen."""
        self._listener = listen(self._listen_address)
        try:
            make_folder(self._record)
        except InputError:
            self._listener.close()
            raise
        self._accepter = threading.Thread(target=self._accept, name="tap accept", daemon=True)
        self._accepter.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self._shared.close()
        self._listener.close()
        self._accepter.join()
        for link in self._links:
            link.abandon()
        for link in self._links:
            link.join()

    @property
    def address(self) -> Address:
        """Where the source connects to, with the port that the system chose."""
        return self._listener.address

    @property
    def was_cut(self) -> bool:
        """The connections were broken."""
        return self._shared.cut_ns is not None

    @property
    def cut_s(self) -> float | None:
        """When the connections were broken, by the monotonic clock, seconds; None if not."""
        since, at = self._shared.counts.since_ns, self._shared.cut_ns
        return None if since is None or at is None else (since + at) / 1e9

    @property
    def passed(self) -> tuple[int, int, int]:
        """Bytes to the destination and to the source, and pages counted so far."""
        links = list(self._links)
        there = sum(link.there.passed for link in links)
        return there, sum(link.back.passed for link in links), self._shared.counts.pages_seen

    @property
    def ended(self) -> bool:
        """The main stream has come to its end, and all connections are closed."""
        return self._shared.walker.main.ended and not self.open

    @property
    def open(self) -> bool:
        """A connection is open."""
        return any(link.open for link in self._links)

    def cut_now(self) -> None:
        """Break all connections, as at the event of a cut; once."""
        self._shared.cut_now()

    def change_rate(self, bytes_per_s: int | None) -> None:
        """Limit the way to the destination anew, bytes/s; None is no limit."""
        self.change_link({"bandwidth": bytes_per_s or 0})

    def change_link(self, arguments: Mapping[str, Any]) -> None:
        """Let the link be another from now on, as a timeline's ``link-change`` says."""
        self._shared.pace.change(arguments)

    def wait_for_cut(self, timeout_s: float) -> bool:
        """Wait until the connections were broken; tells whether they were."""
        return _until(lambda: self.was_cut, timeout_s)

    def wait(self, timeout_s: float | None = None, *, linger_s: float = 10.0) -> bool:
        """Wait until the migration is over.

        Parameters
        ----------
        timeout_s : float or None
            For how long at most.
        linger_s : float
            How long a stream that broke off is waited for, to be resumed by new connections.

        Returns
        -------
        bool
            Whether it is over: its stream has ended, or it broke off and nobody came.
        """
        quiet_since: float | None = None

        def over() -> bool:
            nonlocal quiet_since
            if not self._links or self.open:
                quiet_since = None
                return False
            quiet_since = quiet_since or time.monotonic()
            refused = self.was_cut and self._refuses
            quiet_s = time.monotonic() - quiet_since
            return self.ended or refused or quiet_s >= linger_s

        return _until(over, timeout_s)

    def result(self) -> TapResult:
        """Return what was counted, once all connections are closed, or the tap was left.

        Raises
        ------
        InputError
            If a connection is open.
        """
        if self.open:
            raise InputError.of("result of a tap", "connections are open", "wait for its end")
        if self._result is None:
            with self._shared.lock:
                errors = [*self.errors, *self._shared.spool.errors]
                self._result = result_of(self._shared, self._links, self._cut, errors)
        return self._result

    def _accept(self) -> None:
        while not (self._shared.stop.is_set() or (self.was_cut and self._refuses)):
            try:
                near = self._listener.accept()
            except ChannelError:
                return
            if self.was_cut and self._refuses:
                near.close()
                continue
            self._join(near)

    def _join(self, near: Channel) -> None:
        """Connect to the destination for a connection that came."""
        try:
            far = connect(self.target, timeout_s=_CONNECT_S)
        except ChannelError as error:
            self.errors.append(str(error))
            near.close()
            return
        number = len(self._links)
        spools = None if self._record is None else self._record / f"channel-{number}"
        try:
            link = Link(self._shared, near, far, number=number, spools=spools)
        except OSError as error:
            self.errors.append(f"record {spools}: {error.strerror or error}")
            near.close()
            far.close()
            return
        self._links.append(link)
        link.start()

    def _sever(self) -> None:
        if self._refuses:
            self._listener.close()
        for link in list(self._links):
            if link.open:
                link.sever()


def _until(reached: Callable[[], bool], timeout_s: float | None) -> bool:
    end = None if timeout_s is None else time.monotonic() + timeout_s
    while not reached():
        if end is not None and time.monotonic() >= end:
            return False
        time.sleep(_POLL_S)
    return True
