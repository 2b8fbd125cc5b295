"""What is in the guest's pages when migration starts.

A page holds `data_bytes` bytes that no compressor can shorten; the rest is zeros. So a page of
zeros has 0 of them, a random page 4096, and one that compresses by three 1365.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from migkit.errors import InputError, did_you_mean
from migkit.guest.content_text import (
    MOST_CLASSES,
    check_data_bytes,
    check_shares,
    check_whole,
    read_page,
    read_share,
    read_whole,
    split_parts,
    write_page,
    write_share,
)
from migkit.guest.ram_block import PAGE_BYTES

__all__ = ["Content"]

_MOST_PAGES = 1 << 52


@dataclass(frozen=True)
class Content:
    """What the memory's pages hold when migration starts, as far as they hold data at all.

    Pages outside the extents `RamBlock.nonzero` are zero whatever stands here.

    Parameters
    ----------
    shares : tuple of (int, float)
        Data bytes of a page (0..4096) and the share of the pages that are like it, percent; the
        shares sum up to 100.
    extents : tuple of (int, int, int)
        First page, number of pages and data bytes of ranges that are all alike. A later one
        covers an earlier one.
    run_pages : int
        Neighbouring pages that are alike, 1 or more: runs of so many draw one of the shares.
    seed : int
        Seed of those draws, 0..2^63 - 1.

    Raises
    ------
    InputError
        If a value lies outside its range.

    Examples
    --------
    >>> content = Content.parse("zero:30%,random:50%,compressible(4):20%")
    >>> content.shares
    ((0, 30), (4096, 50), (1024, 20))
    >>> str(content)
    'zero:30%,random:50%,data(1024):20%'
    """

    shares: tuple[tuple[int, float], ...] = ((PAGE_BYTES, 100),)
    extents: tuple[tuple[int, int, int], ...] = ()
    run_pages: int = 64
    seed: int = 1

    def __post_init__(self) -> None:
        """Check every value."""
        shares = tuple((check_data_bytes(data), share) for data, share in self.shares)
        object.__setattr__(self, "shares", shares)
        check_shares("content", [share for _, share in shares])
        extents = tuple(
            (first, count, check_data_bytes(data)) for first, count, data in self.extents
        )
        object.__setattr__(self, "extents", extents)
        for first, count, _ in extents:
            check_whole("content: first page of an extent", first, 0, _MOST_PAGES)
            check_whole("content: pages of an extent", count, 1, _MOST_PAGES)
        check_whole("content: run_pages", self.run_pages, 1, _MOST_PAGES)
        check_whole("content: seed", self.seed, 0, 2**63 - 1)
        kinds = {data for data, _ in shares} | {data for _, _, data in extents}
        if len(kinds - {0}) > MOST_CLASSES:
            raise InputError.of(
                f"content: {len(kinds)} different pages", f"allowed {MOST_CLASSES}", "give fewer"
            )

    @property
    def has_zero_pages(self) -> bool:
        """Whether a page may be zero that lies among those with data."""
        return any(not data and share for data, share in self.shares) or any(
            not data for _, _, data in self.extents
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a content as people write it.

        Parameters
        ----------
        text : str
            See `CONTENT_FORMS`.

        Returns
        -------
        Content
            The content.

        Raises
        ------
        InputError
            If a part of the text is not one of the forms.
        """
        shares, extents = [], []
        settings: dict[str, Any] = {}
        for part in split_parts("content", text, ","):
            name, equals, value = part.partition("=")
            if equals:
                settings[_setting(text, name)] = read_whole(text, value)
            elif "@" in part:
                page, _, span = part.partition("@")
                first, _, count = span.partition("+")
                extents.append(
                    (read_whole(text, first), read_whole(text, count), read_page(text, page))
                )
            else:
                page, share = read_share(text, part)
                shares.append((read_page(text, page), share))
        if shares:
            settings["shares"] = tuple(shares)
        return cls(extents=tuple(extents), **settings)

    def __str__(self) -> str:
        """Write the text that `parse` reads."""
        parts = [write_share(write_page(data), share) for data, share in self.shares]
        parts += [f"{write_page(data)}@{first}+{count}" for first, count, data in self.extents]
        default = type(self)()
        parts += [f"run={self.run_pages}"] if self.run_pages != default.run_pages else []
        parts += [f"seed={self.seed}"] if self.seed != default.seed else []
        return ",".join(parts)

    def seeded(self, seed: int) -> Self:
        """Return a copy with another seed.

        Parameters
        ----------
        seed : int
            The seed, 0..2^63 - 1.

        Returns
        -------
        Content
            The changed copy.
        """
        return dataclasses.replace(self, seed=seed)


def _setting(text: str, name: str) -> str:
    fields = {"run": "run_pages", "seed": "seed"}
    if name not in fields:
        raise InputError.of(f"content {text}", f"no setting {name!r}", did_you_mean(name, fields))
    return fields[name]
