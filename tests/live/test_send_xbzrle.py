"""Pages sent as differences: decided as the engine's specification does, decoded to the same."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.arena_pair import Pair, arrived_whole, permitted, until
from live.send_peer import PRECOPY_END, SIZE, Peer, contents, save_guest
from live.test_send_receive import moved
from migkit.live import ArenaGuest, send
from migkit.live.sending.counted import Counted
from migkit.live.sending.guest_image import image_of, read_image
from migkit.live.sending.page_cache import PageCache
from migkit.oracle.page_cache import PageCache as SpecifiedCache
from migkit.stream import read_stream
from migkit.stream.blocks import Block
from migkit.workloads.recorded import Callback

MEMORY = {"pc.ram": contents(600, 200), "rom": contents(30, 2, seed=6)}
HOT = 64
STRICT = {"max-bandwidth": 16 << 20, "avail-switchover-bandwidth": 1_000_000, "downtime-limit": 1}
"""The first sweep takes more than a window; from then on less than a page may be left."""


class Hot:
    """A guest that writes the same pages until they were found in the cache often enough."""

    def __init__(self, enough: int = 3 * HOT) -> None:
        self.enough, self.found = enough, 0
        self.workload = Callback(function=self._pages)

    def _pages(self, from_ns: int, to_ns: int) -> list[int]:
        return list(range(100, 100 + HOT)) if self.found < self.enough else []

    def watch(self, counted: Counted) -> None:
        self.found = counted.xbzrle_pages
        time.sleep(0.003)  # so that the guest's clock, which ticks each ms, has gone on


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_guest(tmp_path / "guest.mig", MEMORY)


def cache_values(sent: Any) -> dict[str, int]:
    found: dict[str, int] = sent.summary["xbzrle-cache"]
    return found


@pytest.mark.parametrize("cache_bytes", [64 << 20, 16 * SIZE])
def test_what_arrives_is_what_was_written(tmp_path: Path, saved: Path, cache_bytes: int) -> None:
    hot, peer = Hot(8), Peer(tmp_path / "s", PRECOPY_END)
    sent = send(
        saved,
        peer.uri,
        workload=hot.workload,
        write_memory=True,
        capabilities=("return-path", "xbzrle"),
        parameters=STRICT | {"xbzrle-cache-size": cache_bytes},
        progress=hot.watch,
    )
    data = peer.join()
    assert (sent.outcome, sent.error) == ("completed", "")
    stream = read_stream(data)
    assert sent.memory is not None
    assert np.array_equal(image_of(stream, data, "arrived").memory, sent.memory)
    assert not np.array_equal(sent.memory, read_image(saved).memory)
    told, ram, cache = stream.counters, sent.summary["ram"], cache_values(sent)
    assert told["xbzrle-pages"] > 0
    for name in ("normal", "duplicate", "precopy-bytes", "downtime-bytes", "transferred"):
        assert ram[name] == told[name], name
    assert cache["bytes"] == told["xbzrle-bytes"]
    assert cache["pages"] >= told["xbzrle-pages"]
    assert (cache["overflow"], cache["cache-size"]) == (0, cache_bytes)
    assert (cache["cache-miss"] > HOT) == (cache_bytes == 16 * SIZE)
    assert sent.report()["xbzrle_cache"] == cache
    assert sent.pages_in_complete == stream.save_complete_pages


def test_pages_that_are_as_they_were_are_not_sent(tmp_path: Path, saved: Path) -> None:
    """The guest is said to write, and its contents stay: the second time, no byte goes out."""
    hot, peer = Hot(), Peer(tmp_path / "s", PRECOPY_END)
    sent = send(
        saved,
        peer.uri,
        workload=hot.workload,
        capabilities=("return-path", "xbzrle"),
        parameters=STRICT,
        progress=hot.watch,
    )
    stream, cache = read_stream(peer.join()), cache_values(sent)
    assert "xbzrle-pages" not in stream.counters
    assert cache["pages"] >= hot.enough
    assert cache["bytes"] == 0
    assert cache["cache-miss"] == HOT
    assert (stream.pages["page"].value_counts() <= 3).all()  # as it was, once more, into the cache


def test_migkit_to_migkit(tmp_path: Path, saved: Path) -> None:
    hot = Hot()
    sent, came = moved(
        saved,
        tmp_path,
        workload=hot.workload,
        write_memory=True,
        capabilities=("return-path", "xbzrle"),
        parameters=STRICT,
        progress=hot.watch,
    )
    assert (sent.outcome, came.outcome, came.missing_pages) == ("completed", "completed", 0)
    assert cache_values(sent)["pages"] >= hot.enough
    assert sent.memory is not None
    arrived = np.concatenate([np.frombuffer(came.ram(name), np.uint8) for name in MEMORY])
    assert np.array_equal(arrived, sent.memory)
    assert came.to_dict()["qemu_counts"]["xbzrle_pages"] > 0


def test_in_postcopy_pages_go_whole(tmp_path: Path, saved: Path) -> None:
    hot = Hot(10**9)  # it writes until the guest is stopped for postcopy
    sent, came = moved(
        saved,
        tmp_path,
        workload=hot.workload,
        write_memory=True,
        capabilities=("xbzrle", "postcopy-ram"),
        parameters=STRICT,
        progress=hot.watch,
        postcopy_at_s=0.3,
    )
    assert (sent.outcome, came.outcome, came.missing_pages) == ("completed", "completed", 0)
    assert sent.memory is not None
    arrived = np.concatenate([np.frombuffer(came.ram(name), np.uint8) for name in MEMORY])
    assert np.array_equal(arrived, sent.memory)
    assert sent.summary["ram"]["postcopy-bytes"] >= HOT * SIZE


touches = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 1), st.booleans()), max_size=60)


@given(touches)
def test_the_cache_decides_as_specified(drawn: list[tuple[int, int, bool]]) -> None:
    """Four entries, twelve pages: hits, misses, and entries that are too fresh to be taken."""
    blocks = [Block("ram", 12 * SIZE, 0)]
    mine = PageCache(blocks, SIZE, 4 * SIZE)
    costs = SimpleNamespace(copy_ns=1, first_copy_ns=1)
    planned = SimpleNamespace(cache_pages=4, costs=costs, delta_key=0)
    content = SimpleNamespace(writes=[SimpleNamespace(kinds=())])
    specified = SpecifiedCache(SimpleNamespace(xbzrle=planned, content=content))
    generation = 1
    for page, later, zero in drawn:
        generation += later
        if zero:
            mine.zero(page, generation)
            specified.insert(page, generation, page, 0)
            continue
        hits = mine.pages
        mine.difference(page, generation, bytes(SIZE))
        found = specified.find(page, generation)
        assert (mine.pages > hits) == (found is not None)
        if found is None:
            specified.insert(page, generation, page, SIZE)


def test_rates_are_those_of_a_period() -> None:
    """10 pages sent, 4 of them misses; 2 hits of 7 B: 2 * 4096 / 14."""
    cache = PageCache([Block("ram", 64 * SIZE, 0)], SIZE, 64 * SIZE)
    for page in range(4):
        cache.difference(page, 1, bytes(SIZE))
    for page in range(2):
        record = cache.difference(page, 1, bytes(200) + bytes([page + 1]) + bytes(3895))
        assert record is not None
        assert len(record) == 4  # 200 equal bytes in two, one that differs, the byte
        cache.count(bytes(8 + 3) + record)
    cache.target_pages = 10
    cache.update_rates()
    assert (cache.miss_rate, cache.encoding_rate) == (0.4, 2 * 4096 / 14)
    cache.update_rates()
    assert cache.miss_rate == 0.4  # without pages it stays what it was


def test_threads_that_really_write_lose_nothing(tmp_path: Path) -> None:
    """Every write counts in its page: a difference that is off by one is seen."""
    permitted()
    guest = ArenaGuest(8 << 20, "hotcold:4000,hot=60,percent=90", vcpus=2)
    guest.start()
    pair = Pair(tmp_path)

    def watch(counted: Counted) -> None:
        if counted.xbzrle_pages > 200:
            guest.stop()  # else there would always be something left
        else:
            until(lambda now=guest.writes: guest.writes > now, "writes")  # type: ignore[misc]

    pair.send(guest, capabilities=["return-path", "xbzrle"], parameters=STRICT, progress=watch)
    sent, came = pair.join()
    arrived_whole(sent, came)
    assert came.to_dict()["qemu_counts"]["xbzrle_pages"] > 0
    assert cache_values(sent)["pages"] > 200
