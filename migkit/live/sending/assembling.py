"""A migration put together from what was asked, and let go of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from migkit.channels import Channel
from migkit.errors import InputError

from .counted import Counted
from .dirty_pages import DirtyPages
from .guest_image import GuestImage
from .guest_writes import GuestWrites
from .limiter import Limiter
from .main_file import MainFile
from .multifd import Multifd
from .outgoing import Outgoing
from .page_cache import PageCache
from .ram import end_of_sweep, serve_urgent
from .replies import Replies
from .settings import SendSettings
from .trail import Trail

__all__ = ["assembled", "let_go", "without_file_layout"]


def assembled(
    image: GuestImage,
    asked: SendSettings,
    guest: GuestWrites,
    more: Callable[[], Channel],
    timeout_s: float,
) -> Outgoing:
    """Open the channels and put together what the migration works on.

    Parameters
    ----------
    image : GuestImage
        What is sent.
    asked : SendSettings
        How.
    guest : GuestWrites
        What dirties it.
    more : callable
        Opens one more channel to the destination.
    timeout_s : float
        For how long an answer is waited for, seconds.

    Returns
    -------
    Outgoing
        Connected, nothing sent yet but greetings of multifd channels.

    Raises
    ------
    ChannelError
        If nobody takes a channel.
    """
    trail, counted = Trail(), Counted()
    values, on = asked.parameters, asked.capabilities
    limiter, channel = Limiter(values, counted, trail), more()
    m = Outgoing(
        image=image,
        parameters=values,
        capabilities=on,
        rule=asked.rule,
        syncs=asked.syncs,
        connect=more,
        file=MainFile(channel, counted, trail, image.page_size),
        counted=counted,
        trail=trail,
        limiter=limiter,
        guest=guest,
        dirty=DirtyPages(image.blocks, image.pages),
        replies=_replies(image, channel, trail) if on & {"return-path", "postcopy-ram"} else None,
        multifd=None,
        xbzrle=PageCache(image.blocks, image.page_size, values.xbzrle_cache_size_bytes)
        if "xbzrle" in on
        else None,
        timeout_s=timeout_s,
        start_postcopy=lambda: False,
    )
    if "multifd" in on:
        channels = (more() for _ in range(values.multifd_channels))
        m.multifd = Multifd(channels, image, values, counted, trail)
    m.dirty.at_end = lambda: end_of_sweep(m)
    if m.replies is not None and "postcopy-preempt" in on:
        m.replies.urgent = lambda request: serve_urgent(m, request)
    return m


def _replies(image: GuestImage, channel: Channel, trail: Trail) -> Replies:
    lengths = {block.name: block.used_length for block in image.blocks}
    return Replies(channel, trail, lengths, image.page_size)


def let_go(m: Outgoing) -> None:
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


def without_file_layout(image: GuestImage) -> GuestImage:
    """Drop what only the file had: a stream on a socket has no mapped-ram.

    Raises
    ------
    InputError
        If the memory is not in the file.
    """
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
