"""A migration stream that was read: frames, counters, device state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from migkit.errors import InputError, StreamError, did_you_mean
from migkit.schema import (
    STREAM_CHANNELS,
    STREAM_DEVICES,
    STREAM_PAGES,
)

from .blocks import Block
from .configuration import Configuration
from .cursor import Buffer
from .devices import DeviceState, leaves
from .frames import Table, frame_of
from .mapped_ram import present_pages
from .page_tally import PageTally
from .rounds import rounds_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Stream"]


@dataclass(frozen=True, eq=False, repr=False)
class Stream:
    """What a migration stream holds.

    Frames are made when asked for and are the caller's own.

    Parameters
    ----------
    name : str
        Of its file.
    size : int
        Bytes of the main stream.
    configuration : Configuration
        Machine type, capabilities, uuid.
    page_size : int
        Bytes of a target page.
    ram_blocks : tuple of Block
        In the stream's order.
    devices : tuple of DeviceState
        The state of devices, a tree each.
    trailing_bytes : int
        Bytes behind the stream's end.
    error : StreamError or None
        Where a stream that was read as far as it goes breaks.
    """

    name: str
    size: int
    configuration: Configuration
    page_size: int
    ram_blocks: tuple[Block, ...]
    devices: tuple[DeviceState, ...]
    trailing_bytes: int
    error: StreamError | None
    _data: Buffer = field(repr=False)
    _tables: Mapping[str, Table] = field(repr=False)
    _tallies: Mapping[str, PageTally] = field(repr=False)

    @property
    def records(self) -> pd.DataFrame:
        """One row a section or command of the main stream: `migkit.schema.STREAM_RECORDS`."""
        return self._tables["records"].frame()

    @property
    def blocks(self) -> pd.DataFrame:
        """One row a RAM block: `migkit.schema.STREAM_BLOCKS`."""
        return self._tables["blocks"].frame()

    @property
    def packets(self) -> pd.DataFrame:
        """One row a packet of a multifd channel: `migkit.schema.STREAM_PACKETS`."""
        return self._tables["packets"].frame()

    @property
    def discards(self) -> pd.DataFrame:
        """One row a discarded range: `migkit.schema.STREAM_DISCARDS`."""
        return self._tables["discards"].frame()

    @property
    def messages(self) -> pd.DataFrame:
        """One row a message of the return path: `migkit.schema.STREAM_MESSAGES`."""
        return self._tables["messages"].frame()

    @property
    def rounds(self) -> pd.DataFrame:
        """One row a sweep through RAM: `migkit.schema.STREAM_ROUNDS`.

        QEMU sends in one direction through RAM and begins again; where it does, a round begins.
        A sweep whose pages all lie behind those of the one before is not told apart from it.
        """
        return rounds_frame(self._tallies)

    @property
    def pages(self) -> pd.DataFrame:
        """One row a page that was sent, resends too: `migkit.schema.STREAM_PAGES`.

        Empty when the stream was read without pages, and for mapped-ram, where each page has one
        place and no order. The pages of multifd channels come first, in order of their packets.
        """
        parts = [
            (*batch, np.full(len(batch[0]), STREAM_CHANNELS.index(name)))
            for name, tally in sorted(self._tallies.items(), key=lambda item: item[0] == "main")
            for batch in tally.kept
        ]
        names = ("page", "round", "kind", "offset", "record", "channel")
        columns = zip(*parts, strict=True) if parts else [[np.empty(0, np.int64)]] * len(names)
        values = dict(zip(names, map(np.concatenate, columns), strict=True))
        return frame_of({"order": np.arange(len(values["page"]))} | values, STREAM_PAGES)

    def page_map(self, block: str) -> pd.DataFrame:
        """Tell which pages of a block the stream holds and how often.

        Parameters
        ----------
        block : str
            Name of the RAM block.

        Returns
        -------
        DataFrame
            Index ``page`` within the block; ``times`` it was sent, ``kind`` and ``round`` of the
            last time. For a mapped-ram file the pages that are there, once.

        Raises
        ------
        InputError
            If there is no such block.
        """
        import pandas as pd

        names = {known.name: known for known in self.ram_blocks}
        if block not in names:
            raise InputError.of(f"block {block}", "not in the stream", did_you_mean(block, names))
        found = names[block]
        if found.bitmap_offset is not None:
            pages = present_pages(self._data, found, self.page_size)
            index = pd.Index(pages, name="page")
            return pd.DataFrame({"times": 1, "kind": "normal", "round": 0}, index=index)
        every = self.pages
        page = every["page"] - found.first_page
        inside = every[(page >= 0) & (page < found.used_length // self.page_size)]
        groups = inside.assign(page=page).groupby("page")
        return groups.agg(times=("order", "size"), kind=("kind", "last"), round=("round", "last"))

    @property
    def device_fields(self) -> pd.DataFrame:
        """One row a field of device state that is no struct: `migkit.schema.STREAM_DEVICES`."""
        table = Table(STREAM_DEVICES)
        for device in self.devices:
            for path, leaf in leaves(device.fields):
                row = (path, leaf.type, leaf.offset, leaf.length, leaf.value)
                table.add((device.name, device.instance_id, *row))
        return table.frame()

    @cached_property
    def _counters(self) -> dict[str, int]:
        from .counters import counters_of

        return counters_of(self)

    @property
    def counters(self) -> dict[str, int]:
        """The counters of query-migrate that the stream's bytes tell, under QEMU's names."""
        return dict(self._counters)

    @property
    def save_complete_pages(self) -> int:
        """Pages that ``save_complete`` of RAM moved: those of its section's end."""
        records = self.records
        last = records[(records["name"] == "ram") & (records["kind"] == "end")]
        return int(last[["normal_pages", "zero_pages", "xbzrle_pages"]].sum().sum())

    def __repr__(self) -> str:
        """Say what it holds."""
        from .views import verdict

        return verdict(self)

    def _repr_html_(self) -> str:
        from .views import html

        return html(self)
