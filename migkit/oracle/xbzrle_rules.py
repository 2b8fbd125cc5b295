"""Rules of xbzrle that decide something (migration/page_cache.c, ram.c)."""

from __future__ import annotations

CACHED_PAGE_LIFETIME = 2


def cache_position(address: int, cache_pages: int) -> int:
    """Return the entry of a page: the cache is direct mapped, of a power of two of pages."""
    return address & (cache_pages - 1)


def replaceable(age: int, generation: int) -> bool:
    """Whether another page may take an entry that was last touched at sync `age`."""
    return age + CACHED_PAGE_LIFETIME <= generation


def record_bytes(header_bytes: int, encoded_bytes: int) -> int:
    """Return the size of a record: header, a flag, the length in two bytes, the delta."""
    return header_bytes + 3 + encoded_bytes


def cache_miss_rate(misses: int, pages: int, last: float) -> float:
    """Return misses a page sent in a period; without pages the rate stays what it was."""
    return misses / pages if pages else last


def encoding_rate(hits: int, encoded_bytes: int, pages: int, last: float) -> float:
    """Return by how much a period's hits shrank; without pages sent it stays what it was."""
    if not pages:
        return last
    return hits * 4096 / encoded_bytes if hits and encoded_bytes else 0.0
