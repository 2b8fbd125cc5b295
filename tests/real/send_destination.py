"""A real QEMU that waits for a guest, and one that saves its guest; both are over with a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from migkit.lab import Qemu
from migkit.lab.guest_program import build_guest
from migkit.lab.guest_words import fit_guest, guest_words
from migkit.live import Receiver
from migkit.scenario import Scenario
from real.machine import Machine

__all__ = [
    "MEMORY_MIB",
    "Machine",
    "machine_of",
    "runs_on",
    "same_memory",
    "save_guest",
    "waiting",
]

MEMORY_MIB = 32
GUEST_ENDS_AT_PAGE = 1024 + 6400
"""The workload of the saved guest reaches no further; behind it nobody looks at its memory."""

_ROMS = (0xA0000, 0x100000)


def machine_of(qemu: Qemu) -> str:
    """Return the machine type of this version."""
    major, minor = qemu.version[:2]
    return f"pc-i440fx-{major}.{minor}"


def same_memory(there: Machine, memory: npt.NDArray[np.uint8], folder: Path) -> None:
    """Demand that a guest that stands still there has this memory, but where ROMs lie over it."""
    there.tell("pmemsave", val=0, size=MEMORY_MIB << 20, filename=str(folder / "memory"))
    arrived = np.fromfile(folder / "memory", np.uint8)
    starts, ends = _ROMS
    assert np.array_equal(arrived[:starts], memory[:starts])
    assert np.array_equal(arrived[ends:], memory[ends : MEMORY_MIB << 20])


def runs_on(there: Machine, saved: tuple[Path, int]) -> None:
    """Demand that the guest's heartbeat goes on from where it was saved."""
    there.reached("completed")
    there.until(lambda: there.running_state() == "running", "running guest")
    there.goes_on(3)
    assert min(there.beats()) >= saved[1]  # it did not start anew


@contextmanager
def _started(qemu: Qemu, machine: str, name: Path, *words: str) -> Iterator[Machine]:
    found = Machine(qemu.command, ["-machine", machine, "-m", str(MEMORY_MIB), *words], name)
    try:
        found.connect()
        yield found
    finally:
        found.close()


@contextmanager
def waiting(
    qemu: Qemu,
    machine: str,
    folder: Path,
    uri: str,
    *capabilities: str,
    tls: Path | None = None,
    stopped: bool = False,
    stays: bool = False,
    **parameters: object,
) -> Iterator[Machine]:
    """Start a destination that listens; it is gone afterwards.

    Its guest runs as soon as it is there, or waits for ``cont`` where it is to be `stopped`. A
    migration that fails ends it, unless it `stays`.
    """
    words = ["-incoming", "defer", *(["-S"] if stopped else [])]
    if tls is not None:
        words += ["-object", f"tls-creds-x509,id=tls0,endpoint=server,dir={tls},verify-peer=on"]
        parameters["tls_creds"] = "tls0"
    with _started(qemu, machine, folder / "dest", *words) as found:
        found.enable(*capabilities, **parameters)
        found.tell("migrate-incoming", uri=uri, **({"exit_on_error": False} if stays else {}))
        yield found


def save_guest(
    qemu: Qemu, machine: str, folder: Path, receiver: Receiver | None = None
) -> tuple[Path, int]:
    """Run the workload guest for a moment and save it; return where, and its last heartbeat.

    It is saved to a file, or by a destination of ours to a folder.
    """
    built = Scenario.build(memory=f"{MEMORY_MIB}MiB", workload="uniform:4000,base=1024,pages=6400")
    words = guest_words(fit_guest(built), beat_ms=20).append
    folder.mkdir(parents=True)
    kernel = build_guest(folder)
    path = folder / ("saved" if receiver else "guest.mig")
    guest_of = ["-kernel", str(kernel), "-append", words]
    with _started(qemu, machine, folder / "source", *guest_of) as guest:
        guest.until(lambda: guest.beat() >= 200, "heartbeat")
        guest.tell("migrate", uri=str(receiver.address) if receiver else f"file:{path}")
        if receiver:
            receiver.run().save(path)
        guest.reached("completed")
        return path, guest.beat()
