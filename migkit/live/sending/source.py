"""Send a saved guest to a destination that is there: the way in."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from migkit.channels import (
    Address,
    Channel,
    FileAddress,
    TlsFiles,
    connect,
    parse_address,
)
from migkit.errors import InputError
from migkit.live.guest import ArenaGuest
from migkit.parameters import MigrationParameters
from migkit.workloads import Workload
from migkit.workloads.text import parse_workload

from .counted import Counted
from .dirty_pages import DirtyPages
from .guest_image import GuestImage, read_image
from .guest_writes import GuestWrites, WritingGuest
from .limiter import Limiter
from .loop import run
from .main_file import MainFile
from .multifd import Multifd
from .outgoing import Outgoing
from .page_cache import PageCache
from .ram import end_of_sweep, serve_urgent
from .replies import Replies
from .running_guest import check_arena, guest_that_runs
from .sent import Sent, sent_of
from .settings import SendSettings, settings_of
from .trail import Trail

__all__ = ["send"]


def send(
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
) -> Sent:
    """Migrate a saved guest to a QEMU that waits with ``-incoming``, or to migkit.

    The loop is QEMU's: setup, passes in windows of 100 ms under the rate limit, syncs, the
    threshold and the completion rule, all decided by the functions of the engine. The guest's
    contents stay as they were saved, so it runs on at the destination where it stood.

    Parameters
    ----------
    source : path or ArenaGuest
        The file that ``migrate file:`` of a precopy migration wrote (mapped-ram too), or the
        folder of ``migkit receive --save``. A guest of `migkit.live.guest` is sent while it runs;
        it runs on at the destination, or here where the migration failed before postcopy.
    uri : str, mapping or list
        QEMU's address of the destination: ``tcp:127.0.0.1:4444``, ``unix:/path``, or its JSON
        form.
    rule : {"before", "after"}
        QEMU's completion rule: up to 10.0, or from 10.1 on.
    qemu_version : str, optional
        Whose dirty-bitmap syncs there are, and which of them count: ``"11.1.3"`` syncs in every
        pass of precopy with postcopy-ram, and does not count the last sync. Left out, it is that
        of the rule: 10.0.13 or 10.2.2.
    parameters : MigrationParameters or mapping, optional
        By QEMU's names: ``{"max-bandwidth": 67108864, "downtime-limit": 50}``.
    capabilities : iterable of str, optional
        Of `migkit.live.sending.settings.SENDABLE`. Left out, the return path is open where the
        transport has one.
    workload : Workload or str, optional
        What dirties the first RAM block while it is sent, in real time: ``uniform:2000``. The
        same seed chooses the same pages.
    write_memory : bool
        Whether a thread really writes to these pages. The result then has the `memory` as it was
        at the end, to compare with the destination's; a guest of QEMU would be damaged.
    postcopy_at_s : float, optional
        When ``migrate-start-postcopy`` is given, seconds after setup began; turns postcopy-ram
        on.
    recover : str, optional
        Where the destination waits after a cut in postcopy (its ``migrate-recover``).
    tls : TlsFiles, optional
        Credentials for every channel.
    timeout_s : float
        For how long an answer of the destination is waited for, seconds.
    progress : callable, optional
        Gets the counters after each pass.

    Returns
    -------
    Sent
        Frames and summary of the migration as the source saw it, and the requests it served. A
        migration that failed is told by its `outcome` and `error`.

    Raises
    ------
    InputError
        If a value is not valid.
    StreamError
        If the source is no saved guest.
    ChannelError
        If nobody waits at the address.
    """
    postcopy = postcopy_at_s is not None
    asked = settings_of(
        uri, capabilities, parameters, rule, postcopy=postcopy, qemu_version=qemu_version
    )
    again = parse_address(recover) if recover is not None else None
    image, writes = _guest(source, asked, workload, really=write_memory)
    more = _Connecting(asked.address, tls)
    try:
        m = _connected(image, asked, writes, more, timeout_s)
    except BaseException:
        more.close()
        raise
    m.progress = progress
    if postcopy_at_s is not None:
        m.start_postcopy = lambda: writes.age_ns >= postcopy_at_s * 1e9
    try:
        run(m, None if again is None else _Connecting(again, tls))
    finally:
        writes.end()
        _let_go(m)
        if m.state != "completed" and not m.counted.package_bytes:
            writes.resume()
    return sent_of(m, image.name, keep_memory=write_memory, **asked.facts())


@dataclasses.dataclass
class _Connecting:
    """Opens channels to an address, one a call."""

    address: Address
    tls: TlsFiles | None
    opened: list[Channel] = dataclasses.field(default_factory=list)

    def __call__(self) -> Channel:
        """Open one more."""
        self.opened.append(connect(self.address, self.tls))
        return self.opened[-1]

    def close(self) -> None:
        """Close all of them."""
        for channel in self.opened:
            channel.close()


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
    saved = read_image(source)
    _check_apart(source, asked.address)
    image = _without_file_layout(saved)
    spec = parse_workload(workload) if isinstance(workload, str) else workload
    if really:
        return image, WritingGuest(spec, image)
    return image, GuestWrites(spec, image.blocks[0].used_length // image.page_size)


def _without_file_layout(image: GuestImage) -> GuestImage:
    """Drop what only the file had: a stream on a socket has no mapped-ram."""
    configuration = image.configuration
    names = tuple(n for n in configuration.capabilities if n != "mapped-ram")
    if "x-ignore-shared" in names:
        raise InputError.of(
            f"guest {image.name}",
            "it was saved with x-ignore-shared, so its memory is not in it",
            "save it without that capability",
        )
    configuration = dataclasses.replace(configuration, capabilities=names)
    return dataclasses.replace(image, configuration=configuration)


def _connected(
    image: GuestImage,
    asked: SendSettings,
    guest: GuestWrites,
    more: Callable[[], Channel],
    timeout_s: float,
) -> Outgoing:
    """Open the channels and put together what the migration works on."""
    trail, counted = Trail(), Counted()
    parameters, capabilities = asked.parameters, asked.capabilities
    limiter = Limiter(parameters, counted, trail)
    channel = more()
    replies = multifd = None
    if capabilities & {"return-path", "postcopy-ram"}:
        lengths = {block.name: block.used_length for block in image.blocks}
        replies = Replies(channel, trail, lengths, image.page_size, counted=counted)
    if "multifd" in capabilities:
        channels = (more() for _ in range(parameters.multifd_channels))
        multifd = Multifd(channels, image, parameters, counted, trail)
    m = Outgoing(
        image=image,
        parameters=parameters,
        capabilities=capabilities,
        rule=asked.rule,
        syncs=asked.syncs,
        connect=more,
        file=MainFile(channel, counted, trail, image.page_size),
        counted=counted,
        trail=trail,
        limiter=limiter,
        guest=guest,
        dirty=DirtyPages(image.blocks, image.pages),
        replies=replies,
        multifd=multifd,
        xbzrle=_page_cache(image, parameters) if "xbzrle" in capabilities else None,
        timeout_s=timeout_s,
        start_postcopy=lambda: False,
    )
    m.dirty.at_end = lambda: end_of_sweep(m)
    if replies is not None and "postcopy-preempt" in capabilities:
        replies.urgent = lambda request: serve_urgent(m, request)
    return m


def _page_cache(image: GuestImage, parameters: MigrationParameters) -> PageCache:
    return PageCache(image.blocks, image.page_size, parameters.xbzrle_cache_size_bytes)


def _let_go(m: Outgoing) -> None:
    """Close every channel; what the system took already still goes out."""
    whole = m.state == "completed"
    if m.multifd is not None:
        if not whole:
            m.multifd.shutdown()
        m.multifd.close()
    for channel in (m.urgent, m.file.channel):
        if channel is not None:
            if not whole:
                channel.shutdown()
            channel.close()
