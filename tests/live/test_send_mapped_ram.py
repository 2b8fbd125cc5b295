"""Files with mapped-ram that migkit writes: what the reader of QEMU's files finds in them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from live.send_peer import PRECOPY_END, SIZE, Clock, Peer, contents, save_guest
from migkit.cli import main
from migkit.errors import ChannelError, InputError
from migkit.live import receive, send
from migkit.live.sending import file_pages
from migkit.live.sending.guest_image import read_image
from migkit.stream import read_stream
from migkit.workloads.recorded import Callback

MEMORY = {"pc.ram": contents(600, 200), "rom": contents(30, 2, seed=6)}
PAGES, NORMAL = 832, 630
BITMAPS = 8 * 13 + 8 * 1
CHANNELS = [(), ("multifd",)]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_guest(tmp_path / "guest.mig", MEMORY)


@pytest.mark.parametrize("more", CHANNELS)
@pytest.mark.parametrize("offset", [0, 4096])
def test_what_the_file_holds_is_what_was_saved(
    tmp_path: Path, saved: Path, more: tuple[str, ...], offset: int
) -> None:
    path = tmp_path / "out.mig"
    uri = f"file:{path},offset={offset}" if offset else f"file:{path}"
    sent = send(saved, uri, capabilities=("mapped-ram", *more))
    assert (sent.outcome, sent.error) == ("completed", "")
    there, image = receive(uri), read_image(saved)
    assert there.outcome == "completed"
    arrived = np.concatenate([np.frombuffer(there.ram(name), np.uint8) for name in MEMORY])
    assert np.array_equal(arrived, image.memory)
    ram = sent.summary["ram"]
    assert (ram["normal"], ram["duplicate"]) == (NORMAL, PAGES - NORMAL)
    assert ram["multifd-bytes"] == (NORMAL * SIZE if more else 0)
    # Of what is written, the pages, the bitmaps and 8 bytes a pass are RAM's.
    in_passes = ram["precopy-bytes"] + ram["downtime-bytes"] + ram["multifd-bytes"]
    assert in_passes == NORMAL * SIZE + BITMAPS + 8 * (len(sent.iterations) - 1)


def test_the_file_is_one_that_can_be_sent_again(tmp_path: Path, saved: Path) -> None:
    path = tmp_path / "out.mig"
    assert send(saved, f"file:{path}", capabilities=("mapped-ram",)).outcome == "completed"
    first, again = read_image(saved), read_image(path)
    assert read_stream(path).configuration.capabilities == ("mapped-ram",)
    for name in ("sections", "description", "ram_section", "switchover_start"):
        assert getattr(first, name) == getattr(again, name), name
    peer = Peer(tmp_path / "s", PRECOPY_END)
    assert send(path, peer.uri).outcome == "completed"
    assert read_stream(peer.join()).configuration.capabilities == ()


@pytest.mark.parametrize("more", CHANNELS)
def test_a_page_that_is_written_again_is_written_to_its_place(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """50 pages, five of them zero so far, are written without end in the first half second."""
    Clock(monkeypatch)

    def written(from_ns: int, to_ns: int) -> list[int]:
        return list(range(555, 605)) if to_ns < 500_000_000 else []

    path = tmp_path / "out.mig"
    sent = send(
        saved,
        f"file:{path}",
        workload=Callback(function=written),
        write_memory=True,
        capabilities=("mapped-ram", *more),
        parameters={"max-bandwidth": 8 << 20, "downtime-limit": 10},
    )
    assert sent.outcome == "completed"
    assert sent.memory is not None
    assert np.array_equal(read_image(path).memory, sent.memory)
    assert sent.summary["ram"]["normal"] > NORMAL + 5
    assert path.stat().st_size < (2 << 20) + (PAGES + 4) * SIZE + 4096  # nothing lies behind


def test_bytes_are_those_of_qemu(tmp_path: Path) -> None:
    """Compare with QEMU 10.2.2, 48 MiB of contents and 16 of zeros in one block.

    Its setup had 136 bytes and a footer, its bitmap 2048, its file 65 MiB of places and a tail.
    """
    guest = save_guest(tmp_path / "g", {"m0": contents(12288, 4096)})
    path = tmp_path / "out.mig"
    sent = send(
        guest, f"file:{path}", capabilities=("mapped-ram",), parameters={"max-bandwidth": 0}
    )
    ram, image, passes = sent.summary["ram"], read_image(guest), len(sent.iterations) - 1
    assert (ram["normal"], ram["duplicate"]) == (12288, 4096)
    of_ram = ram["precopy-bytes"] + ram["downtime-bytes"]
    assert of_ram == 12288 * SIZE + 2048 + 8 * passes
    devices = sum(map(len, image.sections)) + 1 + 5 + len(image.description)
    switchover, last_section = 5, 18
    rest = 136 + 5 + 10 * passes + switchover + last_section + devices
    assert ram["transferred"] == of_ram + rest
    tail = 8 + 5 + 18 * passes + switchover + last_section + devices
    assert path.stat().st_size == (65 << 20) + tail


@pytest.mark.parametrize(
    ("uri", "on", "wrong"),
    [
        ("unix:{0}/s", ("mapped-ram",), "its pages have places of their own in a file"),
        ("exec:cat", ("mapped-ram",), "its pages have places of their own in a file"),
        ("file:{0}/f", ("multifd",), "or add mapped-ram"),
        ("file:{0}/f", ("mapped-ram", "return-path"), "it has no way back"),
        ("file:{0}/f", ("mapped-ram", "xbzrle"), "refuses them together"),
        ("file:{0}/f", ("mapped-ram", "postcopy-ram"), "it has no way back"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, saved: Path, uri: str, on: tuple[str, ...], wrong: str
) -> None:
    with pytest.raises(InputError, match=wrong):
        send(saved, uri.format(tmp_path), capabilities=on)
    assert not (tmp_path / "f").exists()


def test_a_full_disk_fails_it(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: memoryview, offset: int) -> int:
        if offset > 2 << 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.pwrite(descriptor, data, offset)

    stand_in = SimpleNamespace(pwrite=full)
    monkeypatch.setattr(file_pages, "os", stand_in)
    for more in CHANNELS:
        sent = send(saved, f"file:{tmp_path}/f", capabilities=("mapped-ram", *more))
        assert (sent.outcome, "No space left on device" in sent.error) == ("failed", True)
    with pytest.raises(ChannelError, match="a path that can be written"):
        send(saved, f"file:{tmp_path}/no/such", capabilities=("mapped-ram",))


def test_the_command_writes_one(
    tmp_path: Path, saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.mig"
    words = ["--capability", "mapped-ram", "--capability", "multifd"]
    assert main(["send", str(saved), f"file:{path}", *words]) == 0
    assert "guest.mig: completed" in capsys.readouterr().out
    assert np.array_equal(read_image(path).memory, read_image(saved).memory)
