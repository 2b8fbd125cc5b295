"""After a cut in postcopy: a new connection, and what the destination really has.

Source: migration/migration.c (postcopy_pause, postcopy_do_resume), migration/ram.c
(ram_dirty_bitmap_sync_all, ram_dirty_bitmap_reload).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from migkit.channels import Channel
from migkit.errors import ChannelError, MigkitError
from migkit.stream import writer

from .outgoing import Outgoing

__all__ = ["recover"]

_RETRY_S = 0.1


def recover(m: Outgoing, connect: Callable[[], Channel]) -> None:
    """Go on after a cut.

    Parameters
    ----------
    m : Outgoing
        In postcopy-paused.
    connect : callable
        Opens a channel to where the destination waits since ``migrate-recover``; it is tried
        until it does, or for `Outgoing.timeout_s`.

    Raises
    ------
    MigkitError
        If nobody waits there, or the destination does not go along.
    """
    assert m.replies is not None
    m.trail.add("postcopy_pause_return_path")
    broken = [channel for channel in (m.file.channel, m.urgent) if channel is not None]
    for channel in broken:
        channel.shutdown()
    channel = _connected(connect, m.timeout_s)
    m.turn("postcopy-recover-setup")
    m.file.turn_to(channel)
    m.replies.turn_to(channel)
    for channel in broken:
        channel.close()
    m.turn("postcopy-recover")
    try:
        _ask_what_is_there(m)
        if m.urgent is not None:
            m.urgent = connect()
            m.urgent_pages.forget_block()
        m.file.command("POSTCOPY_RESUME")
        m.replies.await_that(m.replies.resumed, "RESUME_ACK", m.timeout_s)
    except MigkitError:
        m.turn("postcopy-paused")
        raise
    m.limiter.begin()
    m.trail.add("postcopy_pause_continued")
    m.turn("postcopy-active")


def _connected(connect: Callable[[], Channel], timeout_s: float) -> Channel:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return connect()
        except ChannelError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)


def _ask_what_is_there(m: Outgoing) -> None:
    """Exchange the bitmaps of received pages; what is not there is dirty."""
    assert m.replies is not None
    replies, blocks = m.replies, m.image.blocks
    m.file.commands([writer.recv_bitmap(block.name) for block in blocks])
    deadline = time.monotonic() + m.timeout_s
    with replies.bitmap_came:
        while len(replies.bitmaps) < len(blocks):
            replies.check()
            if not replies.bitmap_came.wait(max(0.0, deadline - time.monotonic())):
                raise ChannelError.of(
                    f"destination {m.file.channel.peer}",
                    f"{len(replies.bitmaps)} of {len(blocks)} bitmaps within {m.timeout_s:g} s",
                    "look at its log for why it stopped",
                )
    dirty = np.zeros(m.image.pages, bool)
    for block in blocks:
        pages = block.used_length // m.image.page_size
        first = block.first_page
        dirty[first : first + pages] = ~replies.bitmaps[block.name][:pages]
    m.dirty.replace(dirty)
