"""A guest of the user's own is told by its first bytes."""

from pathlib import Path

import pytest

from migkit.errors import InputError
from migkit.lab import GuestImage


def file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_each_kind_is_booted_in_its_way(tmp_path: Path) -> None:
    elf = file(tmp_path / "k", b"\x7fELF" + bytes(100))
    assert GuestImage(elf, append="a b").words == ["-kernel", str(elf), "-append", "a b"]
    linux = file(tmp_path / "vmlinuz", bytes(0x202) + b"HdrS" + bytes(100))
    made = GuestImage(linux, initrd=elf)
    assert made.words == ["-kernel", str(linux), "-initrd", str(elf)]
    iso = file(tmp_path / "a,b.iso", bytes(0x8001) + b"CD001")
    assert GuestImage(iso).words[1] == f"file={tmp_path}/a,,b.iso,media=cdrom,readonly=on"
    disk = file(tmp_path / "disk", b"QFI\xfb" + bytes(100))
    assert GuestImage(disk).words[1].endswith("if=virtio,format=qcow2,readonly=on")
    raw = file(tmp_path / "raw", bytes(512))
    assert GuestImage(raw).words[1].endswith("if=virtio,format=raw,readonly=on")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    raw = file(tmp_path / "raw", bytes(512))
    with pytest.raises(InputError, match="no such file"):
        GuestImage(tmp_path / "absent")
    with pytest.raises(InputError, match="it is no kernel"):
        GuestImage(raw, append="quiet")
    with pytest.raises(InputError, match=r"allowed 0\.\.3600 s"):
        GuestImage(raw, boot_s=-1)
