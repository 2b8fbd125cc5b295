"""The channels beside the main stream, followed as their bytes come."""

from __future__ import annotations

from typing import Protocol

from .blocks import Blocks
from .cursor import Buffer
from .gathering import Gathering
from .multifd import Packet, read_hello, read_packet
from .page_records import PageChannel
from .return_path import Message, read_message
from .window import MoreToCome, Window

__all__ = ["ChannelSteps", "Observer", "PacketWalk", "ReplyWalk", "UrgentWalk"]


class ChannelSteps(Protocol):
    """Reads a channel step by step."""

    def step(self, window: Window) -> None:
        """Read what comes next, raising `MoreToCome` where it is not there whole."""


class Observer:
    """Is told what a walk finds, when it finds it; does nothing of itself."""

    def record(self, record: object) -> None:
        """Take a `Record` of the main stream."""

    def pages(self, channel: str, pages: object, kinds: object, lengths: object) -> None:
        """Take arrays of page numbers, kinds and bytes of records: of ``main``, ``preempt``."""

    def packet(self, packet: Packet) -> None:
        """Take a multifd packet."""

    def message(self, message: Message) -> None:
        """Take a message of the return path."""


class PacketWalk:
    """Reads a multifd channel."""

    def __init__(self, gathering: Gathering, observer: Observer, *, keep: bool) -> None:
        self._gathering = gathering
        self._observer = observer
        self._keep = keep
        self._channel: int | None = None

    def step(self, window: Window) -> None:
        """Read the hello, or a packet."""
        blocks: Blocks = self._gathering.stream.blocks
        if self._channel is None:
            self._channel = read_hello(window)
            return
        if not (blocks.listed or window.last):
            raise MoreToCome  # the main stream has not told its blocks: its bytes are on their way
        packet = read_packet(window, self._channel, blocks)
        data: Buffer | None = None
        if self._keep:
            data = bytes(window.data[packet.pages_at : window.at])
            data = data[: 8 * (packet.normal_pages + packet.zero_pages)]
        self._gathering.add_packet(data, packet._replace(pages_at=0))
        self._observer.packet(packet)


class UrgentWalk:
    """Reads the channel of postcopy-preempt."""

    def __init__(self, gathering: Gathering) -> None:
        tally = gathering.tally("preempt")
        self.channel = PageChannel(gathering.stream.blocks, tally.take)
        self._row = max(gathering.rows - 1, 0)
        self._begun = self._ended = False

    def step(self, window: Window) -> None:
        """Read pages, to the word that ends the channel."""
        window.record = "channel of postcopy-preempt"
        if self._ended:
            window.at = window.end
            return
        if not self._begun:
            self.channel.begin(window, self._row)
            self._begun = True
        if window.last and not window.left:
            return
        self.channel.read_on(window)
        self._ended = True


class ReplyWalk:
    """Reads the return path."""

    def __init__(self, gathering: Gathering, observer: Observer) -> None:
        self._gathering = gathering
        self._observer = observer
        self._block: str | None = None

    def step(self, window: Window) -> None:
        """Read a message."""
        message = read_message(window, self._block)
        self._block = message.block or self._block
        self._gathering.tables["messages"].add(message)
        self._observer.message(message)
