"""A guest from the folder that ``migkit receive --save`` writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from migkit.errors import StorageError
from migkit.live.saved import read_saved
from migkit.stream import writer
from migkit.stream.blocks import Block

from .guest_image import GuestImage, room_for, zero_pages

__all__ = ["image_of_folder"]


def image_of_folder(folder: Path) -> GuestImage:
    """Read a saved guest from its folder.

    Parameters
    ----------
    folder : Path
        See `migkit.live.saved`.

    Returns
    -------
    GuestImage
        Its RAM as it was at the end, and its devices.

    Raises
    ------
    StorageError
        If it is none, or its migration was not completed.
    """
    state, rams = read_saved(folder)
    devices = [section for section in state.sections if section.kind == "full"]
    if state.outcome != "completed" or not devices:
        what = "no state of devices" if state.outcome == "completed" else state.outcome
        raise StorageError.of(
            f"send {folder}", f"its migration ended with: {what}", "save a whole one"
        )
    blocks: list[Block] = []
    first = 0
    for block in state.blocks:
        blocks.append(Block(block.name, block.used_length, first, block.page_bytes))
        first += block.used_length // state.page_size
    room, memory = room_for(sum(map(len, rams)))
    np.concatenate(rams, out=memory)
    return GuestImage(
        name=folder.name,
        configuration=state.configuration,
        page_size=state.page_size,
        blocks=tuple(blocks),
        memory=memory,
        zero=zero_pages(memory, state.page_size),
        ram_section=state.ram_section,
        sections=tuple(
            writer.head_full(s.section_id, s.name, s.instance_id, s.version_id)
            + s.body
            + writer.footer(s.section_id)
            for s in devices
        ),
        description=state.description,
        switchover_start=state.switchover_start,
        room=room,
    )
