"""A guest of the user's own, in place of the workload guest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from migkit.errors import InputError

__all__ = ["GuestImage"]

_ELF, _QCOW2 = b"\x7fELF", b"QFI\xfb"
_LINUX_MAGIC_AT, _LINUX_MAGIC = 0x202, b"HdrS"
_ISO_MAGIC_AT, _ISO_MAGIC = 0x8001, b"CD001"


@dataclass(frozen=True)
class GuestImage:
    """What a guest boots from.

    Parameters
    ----------
    path : Path
        A kernel (Linux, or any multiboot program), an ISO image, or a disk in raw or qcow2 form.
        A disk is opened read-only, so that both sides can have it.
    append : str
        Command line of a kernel.
    initrd : Path, optional
        Its initial RAM disk.
    boot_s : float
        How long it boots before ``migrate``, seconds.

    Raises
    ------
    InputError
        If a file is not there, or a disk is given what belongs to a kernel.
    """

    path: Path
    append: str = ""
    initrd: Path | None = None
    boot_s: float = 10.0

    def __post_init__(self) -> None:
        """Check the files."""
        for file in (self.path, *([self.initrd] if self.initrd else [])):
            if not file.is_file():
                raise InputError.of(f"image {file}", "no such file", "name a file")
        if (self.append or self.initrd) and self.kind != "kernel":
            raise InputError.of(
                f"image {self.path}", "it is no kernel", "leave append and initrd out"
            )
        if not 0 <= self.boot_s <= 3600:
            raise InputError.of(f"boot {self.boot_s} s", "allowed 0..3600 s", "give less")

    @property
    def kind(self) -> str:
        """What the file is by its first bytes: kernel, iso, qcow2 or raw."""
        with self.path.open("rb") as file:
            head = file.read(_ISO_MAGIC_AT + len(_ISO_MAGIC))
        linux = head[_LINUX_MAGIC_AT : _LINUX_MAGIC_AT + 4] == _LINUX_MAGIC
        if head.startswith(_ELF) or linux:
            return "kernel"
        if head[_ISO_MAGIC_AT:] == _ISO_MAGIC:
            return "iso"
        return "qcow2" if head.startswith(_QCOW2) else "raw"

    @property
    def words(self) -> list[str]:
        """Words of QEMU that boot it."""
        # QEMU reads a comma in an option's value when it is doubled.
        path = str(self.path.absolute())
        if self.kind == "kernel":
            more = ["-append", self.append] if self.append else []
            more += ["-initrd", str(self.initrd.absolute())] if self.initrd else []
            return ["-kernel", path, *more]
        named = path.replace(",", ",,")
        if self.kind == "iso":
            return ["-drive", f"file={named},media=cdrom,readonly=on", "-boot", "d"]
        return ["-drive", f"file={named},if=virtio,format={self.kind},readonly=on"]
