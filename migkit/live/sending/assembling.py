"""A migration put together from what was asked, and let go of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from migkit.channels import Address, Channel, FileAddress
from migkit.errors import InputError

from .counted import Counted
from .dirty_pages import DirtyPages
from .file_pages import FilePages
from .guest_image import GuestImage
from .guest_writes import GuestWrites
from .limiter import Limiter
from .main_file import MainFile
from .multifd import Multifd
from .multifd_channels import MultifdChannel, file_channels, packet_channels
from .outgoing import Outgoing
from .page_cache import PageCache
from .ram import end_of_sweep, serve_urgent
from .replies import Replies
from .settings import SendSettings
from .trail import Trail

__all__ = ["assembled", "laid_out", "let_go"]


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
        replies=None,
        multifd=None,
        xbzrle=None,
        places=None,
        timeout_s=timeout_s,
        start_postcopy=lambda: False,
    )
    m.dirty.at_end = lambda: end_of_sweep(m)
    _add_capabilities(m, asked.address)
    return m


def _add_capabilities(m: Outgoing, address: Address) -> None:
    image, values, on = m.image, m.parameters, m.capabilities
    if on & {"return-path", "postcopy-ram"}:
        m.replies = _replies(m)
    if "postcopy-preempt" in on and m.replies is not None:
        m.replies.urgent = lambda request: serve_urgent(m, request)
    if "xbzrle" in on:
        m.xbzrle = PageCache(image.blocks, image.page_size, values.xbzrle_cache_size_bytes)
    if "mapped-ram" in on:
        m.places = FilePages(image, m.file)
    if "multifd" in on:
        m.multifd = Multifd(_multifd_channels(m, address), image, m.counted, m.trail)


def _multifd_channels(m: Outgoing, address: Address) -> Iterator[MultifdChannel]:
    if m.places is not None and isinstance(address, FileAddress):
        return file_channels(address.filename, m.places, m.parameters)
    return packet_channels(m.connect, m.image, m.parameters)


def _replies(m: Outgoing) -> Replies:
    lengths = {block.name: block.used_length for block in m.image.blocks}
    size = m.image.page_size
    return Replies(m.file.channel, m.trail, lengths, size, counted=m.counted)


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


def laid_out(image: GuestImage, *, mapped_ram: bool) -> GuestImage:
    """Let the head of the stream name mapped-ram where it goes out so, and nowhere else.

    Raises
    ------
    InputError
        If the memory is not in the file.
    """
    configuration = image.configuration
    if "x-ignore-shared" in configuration.capabilities:
        raise InputError.of(
            f"guest {image.name}",
            "it was saved with x-ignore-shared, so its memory is not in it",
            "save it without that capability",
        )
    names = ("mapped-ram",) if mapped_ram else ()
    configuration = dataclasses.replace(configuration, capabilities=names)
    return dataclasses.replace(image, configuration=configuration)
