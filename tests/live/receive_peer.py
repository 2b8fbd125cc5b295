"""A scripted source: recorded channels go to a destination, and what it answers is kept."""

import threading
from collections.abc import Sequence

import numpy as np

from migkit.channels import Channel, connect
from migkit.errors import ChannelError
from migkit.live import Receiver, Reception
from migkit.live.sending.guest_image import image_of
from migkit.stream.writing_pages import PageWriter
from stream import recorded


class Source:
    """Sends channels, each in its own thread, and reads what comes back on the main one."""

    def __init__(self, receiver: Receiver) -> None:
        self.address = receiver.address
        self.heard: list[bytearray] = []
        self._threads: list[threading.Thread] = []

    @property
    def answers(self) -> bytes:
        """What came back, over the channels in the order in which they were opened."""
        return b"".join(self.heard)

    def send(self, data: bytes, *, end: bool = False) -> Channel:
        """Open a channel and send bytes in the background; end it behind them or leave it."""
        channel = connect(self.address)
        self.heard.append(bytearray())
        for work, words in ((self._write, (data, end)), (self._listen, (self.heard[-1],))):
            thread = threading.Thread(target=work, args=(channel, *words), daemon=True)
            self._threads.append(thread)
            thread.start()
        return channel

    def _write(self, channel: Channel, data: bytes, end: bool) -> None:
        try:
            channel.write(data)
            if end:
                channel.shut_write()
        except ChannelError:
            pass  # the destination had enough

    def _listen(self, channel: Channel, heard: bytearray) -> None:
        try:
            while part := channel.read_some():
                heard += part
        except ChannelError:
            pass

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


def receive_channels(
    main: bytes, others: Sequence[bytes] = (), *, end: bool = False, **settings: object
) -> tuple[Reception, bytes]:
    """Receive what channels hold; also return the answers."""
    settings = {"recover_s": 0, "wait_s": 60.0} | settings
    receiver = Receiver("tcp::0", **settings)  # type: ignore[arg-type]
    source = Source(receiver)
    for other in others:
        source.send(other, end=True)
    source.send(main, end=end)
    received = receiver.run()
    source.join()
    return received, source.answers


def urgent_pages(first: int, count: int) -> bytes:
    """Write pages of ``pc.ram`` of a channel of postcopy-preempt, each filled with one byte."""
    pages = np.arange(first, first + count)
    filled = np.repeat((pages % 255 + 1).astype(np.uint8), 4096)
    memory = np.concatenate([np.zeros(first * 4096, np.uint8), filled])
    return b"".join(PageWriter(4096).records("pc.ram", pages, pages < 0, memoryview(memory)))


def memory_of(name: str) -> bytes:
    """Return the RAM that a recording's channels add up to, by the reader alone."""
    stream, kind = recorded.stream(name), recorded.KINDS[name]
    if kind in {"file", "tcp", "xbzrle", "mapped-ram"}:
        return image_of(stream, recorded.main(name), name).memory.tobytes()
    size = stream.page_size
    memory = np.zeros((sum(b.used_length for b in stream.ram_blocks) // size, size), np.uint8)
    first = {block.name: block.first_page for block in stream.ram_blocks}
    channels = dict(enumerate(recorded.others(name)))
    packets = stream.packets.sort_values("packet_num") if kind == "multifd" else ()
    for row in packets.itertuples() if kind == "multifd" else ():
        at = row.offset + 320
        count = row.normal_pages + row.zero_pages
        places = np.frombuffer(channels[row.channel_id], ">u8", count, at) // size
        pages = places.astype(np.int64) + first.get(row.name, 0)
        payload = channels[row.channel_id][at + 1024 :][: row.normal_pages * size]
        normal = row.normal_pages
        memory[pages[:normal]] = np.frombuffer(payload, np.uint8).reshape(-1, size)
        memory[pages[normal:]] = 0
    pages, main = stream.pages, recorded.main(name)
    columns = [pages[column].tolist() for column in ("channel", "offset", "kind", "page")]
    for channel, at, page_kind, page in zip(*columns, strict=True):
        if channel == "multifd":
            continue
        data = main if channel == "main" else channels[0]
        at += 8 + (0 if has_continue(data, at) else 1 + data[at + 8])
        memory[page] = np.frombuffer(data, np.uint8, size, at) if page_kind == "normal" else 0
    return memory.tobytes()


def has_continue(data: bytes, at: int) -> bool:
    return bool(data[at + 7] & 0x20)
