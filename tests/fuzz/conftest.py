"""Bounds for hostile input: every case ends, and memory stays small."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.cases import end
from fuzz.mutants import MAIN, boundaries

MOST_BYTES = 384 << 20
"""What all cases of a test together may take beyond what was there before."""


def _memory(field: str) -> int:
    """Return the memory of this process, bytes: ``VmRSS`` now or ``VmHWM`` at its most."""
    status = Path("/proc/self/status").read_text(encoding="ascii").split()
    return int(status[status.index(f"{field}:") + 1]) << 10


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Fail if the cases of a test took much memory, where Linux tells."""
    if sys.platform != "linux":
        yield
        return
    for name in MAIN:
        boundaries(name)  # recordings are unpacked once, whichever test is first
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the most begins anew
    before = _memory("VmRSS")
    yield
    more = _memory("VmHWM") - before
    print(f"memory: {more >> 20} MiB more at its most")
    assert more < MOST_BYTES


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """End the watch for a case that hangs."""
    yield
    end()
