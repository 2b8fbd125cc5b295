"""Requests for pages, apart from a connection."""

from __future__ import annotations

import threading

import numpy as np

from migkit.live.arena import Arena
from migkit.live.faults import recorded
from migkit.live.requests import Requests
from migkit.stream.blocks import Block, Blocks

LIMIT_S = 60.0


def test_pages_are_noted_while_the_source_reads_no_requests() -> None:
    sending, reads = threading.Event(), threading.Event()

    def send(message: bytes) -> None:
        sending.set()
        reads.wait(4 * LIMIT_S)

    blocks = Blocks(4096)
    blocks.listed.append(Block("ram", 8 * 4096, 0))
    blocks.pages = 8
    requests = Requests(recorded([0.0], [3]), Arena(blocks), send, seed=1)
    requests.start()
    assert sending.wait(LIMIT_S)
    noted = threading.Thread(target=lambda: requests.arrived(np.array([3]), 1e9), daemon=True)
    noted.start()
    noted.join(LIMIT_S)
    alive = noted.is_alive()
    reads.set()
    requests.stop()
    assert not alive
    assert list(requests.page) == [3]
