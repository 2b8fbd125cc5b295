"""A source with a handle: it sends one migration, and can be yanked meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from migkit.channels import Address, FileAddress, TlsFiles, parse_address
from migkit.errors import InputError
from migkit.live.guest import ArenaGuest
from migkit.parameters import MigrationParameters
from migkit.workloads import Workload
from migkit.workloads.text import parse_workload

from .assembling import assembled, laid_out, let_go
from .connecting import Connecting, yanked
from .counted import Counted
from .guest_image import GuestImage, read_image
from .guest_writes import GuestWrites, WritingGuest
from .loop import run
from .running_guest import check_arena, guest_that_runs
from .sent import Sent, sent_of
from .settings import SendSettings, settings_of

__all__ = ["Sender"]


class Sender:
    """A source; nothing is connected before `run`.

    Parameters
    ----------
    source, uri, rule, qemu_version, parameters, capabilities, workload, write_memory, \
    postcopy_at_s, recover, tls, timeout_s, progress
        See `send`.

    Raises
    ------
    InputError
        If a value is not valid.
    StreamError
        If the source is no saved guest.

    Examples
    --------
    >>> sender = Sender("guest.mig", "tcp:127.0.0.1:4444")    # doctest: +SKIP
    >>> threading.Timer(60, sender.yank).start()              # doctest: +SKIP
    >>> sender.run().error                                    # doctest: +SKIP
    'send to tcp:127.0.0.1:4444 · it was yanked · send it again, or recover it'
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | ArenaGuest,
        uri: str | Mapping[str, Any] | list[Any],
        *,
        rule: str = "after",
        qemu_version: str | None = None,
        parameters: MigrationParameters | Mapping[str, object] | None = None,
        capabilities: Iterable[str] | None = None,
        workload: Workload | str | None = None,
        write_memory: bool = False,
        postcopy_at_s: float | None = None,
        recover: str | None = None,
        tls: TlsFiles | None = None,
        timeout_s: float = 30.0,
        progress: Callable[[Counted], object] | None = None,
    ) -> None:
        postcopy = postcopy_at_s is not None
        asked = settings_of(
            uri, capabilities, parameters, rule, postcopy=postcopy, qemu_version=qemu_version
        )
        self._asked, self._timeout_s = asked, _positive(timeout_s)
        self._postcopy_at_s, self._progress = postcopy_at_s, progress
        self._more = Connecting(asked.address, tls)
        self._again = None if recover is None else Connecting(parse_address(recover), tls)
        _check_release(asked, recover, written=write_memory)
        image, self._writes = _guest(source, asked, workload, really=write_memory)
        self._image = laid_out(image, mapped_ram="mapped-ram" in asked.capabilities)
        self._keep_memory = write_memory

    def yank(self) -> None:
        """Break the connections, from any thread: precopy fails, postcopy pauses.

        What waits for a destination that reads or answers no more ends at once, as after QEMU's
        ``yank``. A source that was to recover tries that.
        """
        self._more.yank()
        if self._again is not None and self._again.used:
            self._again.yank()

    def run(self) -> Sent:
        """Send the guest.

        Returns
        -------
        Sent
            Also of a migration that failed; its ``error`` says why.

        Raises
        ------
        InputError
            If it was run before.
        ChannelError
            If nobody waits at the address, or it was yanked before anything was sent.
        """
        if self._more.used:
            raise InputError.of(
                f"send to {self._asked.address}", "this Sender was run before", "make another one"
            )
        try:
            m = assembled(self._image, self._asked, self._writes, self._more, self._timeout_s)
        except BaseException:
            self._more.close()
            raise
        m.progress = self._progress
        if self._postcopy_at_s is not None:
            at_ns = self._postcopy_at_s * 1e9
            m.start_postcopy = lambda: self._writes.age_ns >= at_ns
        try:
            run(m, self._again)
        finally:
            self._writes.end()
            let_go(m)
            if m.state != "completed" and not m.counted.package_bytes:
                self._writes.resume()
        if m.error is not None and self._more.yanked:
            m.error = yanked(self._asked.address)
        return sent_of(m, self._image.name, keep_memory=self._keep_memory, **self._asked.facts())


def _check_release(asked: SendSettings, recover: str | None, *, written: bool) -> None:
    """Refuse to give memory back that is needed once more (migrate_prepare, resume)."""
    if "release-ram" in asked.capabilities and (recover is not None or written):
        what = "a recovery sends" if recover is not None else "the result tells"
        raise InputError.of(
            "send with release-ram", f"{what} pages that were given back", "leave release-ram out"
        )


def _positive(timeout_s: float) -> float:
    if not timeout_s > 0:
        raise InputError.of(f"timeout {timeout_s:g} s", "allowed more than 0 s", "give 30 s")
    return timeout_s


def _check_apart(source: str | os.PathLike[str], address: Address) -> None:
    """Refuse to write over the guest that is read."""
    if isinstance(address, FileAddress) and os.path.exists(address.filename):
        if os.path.samefile(source, address.filename):
            raise InputError.of(
                f"send {os.fspath(source)} to {address}", "it is the same file", "name another one"
            )


def _guest(
    source: str | os.PathLike[str] | ArenaGuest,
    asked: SendSettings,
    workload: Workload | str | None,
    *,
    really: bool,
) -> tuple[GuestImage, GuestWrites]:
    """Return what is sent, and what writes to it meanwhile."""
    if isinstance(source, ArenaGuest):
        check_arena(asked.capabilities, workload, written=really)
        return guest_that_runs(source)
    image = read_image(source)
    _check_apart(source, asked.address)
    spec = parse_workload(workload) if isinstance(workload, str) else workload
    if really:
        return image, WritingGuest(spec, image)
    return image, GuestWrites(spec, image.blocks[0].used_length // image.page_size)
