"""How a destination refuses, and memories and disks that are too small."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from migkit.errors import LabError

__all__ = ["LEAST_DISK_BYTES", "REFUSALS", "machine_words", "on_small_disk"]

REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        "absent": "nothing listens where the source connects to",
        "wrong-machine": "the destination is another machine type, q35",
        "missing-device": "the source has a device that the destination lacks",
        "wrong-memory": "the destination has half of the memory",
        "memory-full": "the destination's memory is a file on a file system of half its size",
    }
)
"""Ways in which a destination refuses or fails by itself."""

LEAST_DISK_BYTES = 1 << 20
"""Least size of a disk: the limit counts for each file of the process, its log too."""

_DEVICE = ("-device", "virtio-balloon-pci")


def machine_words(
    side: str, memory_bytes: int, refusal: str | None, disk: Path | None
) -> tuple[str, ...]:
    """Return the words for machine type, memory and the device that one side lacks.

    Parameters
    ----------
    side : {"source", "dest"}
        Whose.
    memory_bytes : int
        Of the guest.
    refusal : str or None
        One of `REFUSALS`.
    disk : Path or None
        Where a file with the memory lies.

    Returns
    -------
    tuple of str
        Words of QEMU.
    """
    dest = side == "dest"
    machine = "q35" if dest and refusal == "wrong-machine" else "pc"
    size = memory_bytes // 2 if dest and refusal == "wrong-memory" else memory_bytes
    words: list[str] = ["-m", f"{size >> 10}k"]
    if dest and refusal == "memory-full":
        # The block has the name that it has without a file.
        file = f"memory-backend-file,id=pc.ram,mem-path={disk}/memory,size={size},share=on"
        machine += ",memory-backend=pc.ram"
        words += ["-object", file]
    if not dest and refusal == "missing-device":
        words += list(_DEVICE)
    return ("-machine", machine, *words)


def on_small_disk(folder: Path, size_bytes: int) -> tuple[str, ...]:
    """Return words that start a program which has a small file system of its own.

    It is a tmpfs in a mount namespace, which nobody else sees and which ends with the program;
    that needs user namespaces, and no rights.

    Parameters
    ----------
    folder : Path
        Where it lies: an empty folder.
    size_bytes : int
        What fits.

    Returns
    -------
    tuple of str
        Words to stand before those of the program.

    Raises
    ------
    LabError
        If this machine does not let an ordinary user make one.
    """
    script = f'mount -t tmpfs -o size={max(size_bytes, 4096)} migkit "$0" && exec "$@"'
    shell = shutil.which("sh") or "/bin/sh"
    unshare = shutil.which("unshare") or "unshare"
    words = (unshare, "--user", "--map-root-user", "--mount", shell, "-c", script, str(folder))
    try:
        tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
        found = "" if tried.returncode == 0 else tried.stderr.strip() or "it was refused"
    except OSError as error:
        found = f"unshare: {error.strerror}"
    if found:
        raise LabError.of(
            f"a file system of {size_bytes} B",
            f"this machine lets no user make one: {found}",
            "allow user namespaces, or choose another failure",
        )
    return words
