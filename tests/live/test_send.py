"""What a source of ours puts on the wire, judged by the reader of QEMU's streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from live.send_peer import PRECOPY_END, SIZE, TIMER, Clock, Peer, contents, save_guest
from migkit.errors import ChannelError, InputError, StreamError
from migkit.frame_rows import frame_rows
from migkit.live import send
from migkit.live.sending.guest_image import image_of, read_image
from migkit.schema import STATES
from migkit.stream import read_stream, writer
from migkit.stream.writing_messages import message
from stream.recorded import main, named

MEMORY = {"pc.ram": contents(600, 200), "rom": contents(30, 2, seed=6)}
PAGES = 832


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_guest(tmp_path / "guest.mig", MEMORY)


def peer_at(tmp_path: Path, **more: object) -> Peer:
    return Peer(tmp_path / "s", PRECOPY_END, **more)  # type: ignore[arg-type]


def test_a_saved_guest_is_read_as_it_was(saved: Path) -> None:
    image = read_image(saved)
    assert image.memory.tobytes() == b"".join(m.tobytes() for m in MEMORY.values())
    assert (int(image.zero.sum()), image.sections, image.ram_section) == (202, (TIMER,), 1)


def test_what_arrives_is_what_was_saved(tmp_path: Path, saved: Path) -> None:
    peer = peer_at(tmp_path)
    sent = send(saved, peer.uri)
    data = peer.join()
    image, arrived = read_image(saved), image_of(read_stream(data), data, "arrived")
    assert sent.outcome == "completed"
    assert arrived.memory.tobytes() == image.memory.tobytes()
    assert (arrived.sections, arrived.description) == (image.sections, image.description)
    assert arrived.configuration == image.configuration


def test_counters_are_those_of_the_bytes(tmp_path: Path, saved: Path) -> None:
    peer = peer_at(tmp_path)
    sent = send(
        saved, peer.uri, workload="uniform:3000,seed=3", parameters={"max-bandwidth": 6 << 20}
    )
    told = read_stream(peer.join()).counters
    ram = sent.summary["ram"]
    assert {name: ram[name] for name in told} == told
    assert told["normal"] + told["duplicate"] > PAGES  # the workload made it send pages again
    assert sent.report()["pages_in_complete"] == read_stream(bytes(peer.data)).save_complete_pages


def test_a_window_has_the_bytes_that_qemu_sends_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare with QEMU 10.2.2, same block, 20 MiB/s: 16 flushes of 32 pages, setup in the first.

    Its threshold was 6303990 bytes after the first window, and 6303798 after the next.
    """
    Clock(monkeypatch)
    guest = save_guest(tmp_path / "g", {"m0": contents(3072, 0)})
    peer = peer_at(tmp_path)
    sent = send(guest, peer.uri, parameters={"max-bandwidth": 20971520}, capabilities=())
    peer.join()
    windows = sent.windows
    assert windows["transferred_bytes"].tolist() == [2101330, 2101266, 2101266]
    assert windows["time_spent_ms"].tolist() == [100, 100, 100]
    assert windows["threshold_size_bytes"].tolist() == [6303990, 6303798, 6303798]
    assert sent.pages_in_complete == 1536  # what fits into 300 ms


def test_commands_open_a_return_path_and_announce_the_switchover(
    tmp_path: Path, saved: Path
) -> None:
    peer = peer_at(tmp_path)
    send(saved, peer.uri)
    rows = frame_rows(read_stream(peer.join()).records)
    commands = [(row["name"], row["value"]) for row in rows if row["kind"] == "command"]
    assert commands == [("OPEN_RETURN_PATH", None), ("PING", 1), ("SWITCHOVER_START", None)]


def test_without_a_return_path_it_ends_when_all_is_written(tmp_path: Path, saved: Path) -> None:
    peer = Peer(tmp_path / "s", b"", shut=None)
    sent = send(saved, peer.uri, capabilities=())
    assert (sent.outcome, peer.join()[-5 - 55 :][:5].hex()) == ("completed", "0600000037")


def test_states_and_frames_are_those_of_a_migration(tmp_path: Path, saved: Path) -> None:
    peer = peer_at(tmp_path)
    sent = send(saved, peer.uri)
    states = sent.events.loc[sent.events["event"] == "migrate_set_state", "arguments"]
    found = [state for row in states for state in STATES if f'"{state}"' in row]
    assert found == ["setup", "active", "device", "completed"]
    assert len(sent.iterations) >= 1
    assert sent.rounds["reason"].tolist()[0] == "setup"
    assert sent.ram_save_complete()["done"].tolist() == [0, 1]
    assert sent.rounds["reason"].tolist()[-1] == "final"


def test_the_same_seed_dirties_the_same_pages(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare the distinct pages that a short burst sends twice; the burst ends by itself."""
    Clock(monkeypatch)
    again = []
    for number in range(2):
        peer = Peer(tmp_path / f"s{number}", PRECOPY_END)
        burst = "phases:uniform:20000,seed=7@20ms+idle@900s"
        send(saved, peer.uri, workload=burst, parameters={"max-bandwidth": 8 << 20})
        pages = read_stream(peer.join()).pages["page"]
        again.append(sorted(pages[pages.duplicated()]))
    assert again[0] == again[1]
    assert len(again[0]) > 50


def test_switchover_waits_for_the_acknowledgement(tmp_path: Path, saved: Path) -> None:
    def script(peer: Peer) -> None:
        stream = read_stream(bytes(peer.data), partial=True, pages=False)
        parts = (stream.records["kind"] == "part").sum()
        if parts >= 5 and not peer.said:
            peer.say(message("SWITCHOVER_ACK"))

    peer = peer_at(tmp_path, script=script)
    sent = send(saved, peer.uri, capabilities=("return-path", "switchover-ack"))
    records = read_stream(peer.join()).records
    assert sent.outcome == "completed"
    assert (records["kind"] == "part").sum() >= 5  # all is sent in the first


@pytest.mark.parametrize("method", ["none", "zlib", "zstd"])
def test_multifd_sends_every_page_once(tmp_path: Path, saved: Path, method: str) -> None:
    peer = peer_at(tmp_path)
    limits = {"multifd-channels": 3, "multifd-compression": method}
    sent = send(saved, peer.uri, parameters=limits, capabilities=("return-path", "multifd"))
    stream = read_stream(peer.join(), channels=[bytes(data) for data in peer.others])
    assert sorted(stream.pages["page"]) == list(range(PAGES))
    assert set(stream.packets["method"]) == {"none", method}  # SYNC says none
    told, ram = stream.counters, sent.summary["ram"]
    for name in ("normal", "duplicate", "multifd-bytes", "transferred", "precopy-bytes"):
        assert ram[name] == told[name], name
    flushes = stream.records["multifd_flushes"].dropna().sum()
    syncs = stream.packets[stream.packets["kind"] == "sync"].groupby("channel_id").size()
    assert syncs.tolist() == 3 * [flushes]


def test_a_destination_that_cannot_load_it_fails_the_migration(
    tmp_path: Path, saved: Path
) -> None:
    peer = peer_at(tmp_path, shut=1)
    sent = send(saved, peer.uri)
    assert sent.outcome == "failed"
    assert "could not load the guest (SHUT 1)" in sent.error


def test_a_cut_in_precopy_fails_it(tmp_path: Path, saved: Path) -> None:
    peer = peer_at(tmp_path, script=lambda peer: peer.cut() if len(peer.data) > 100_000 else None)
    sent = send(saved, peer.uri, parameters={"max-bandwidth": 4 << 20})
    assert (sent.outcome, sent.summary["status"]) == ("failed", "failed")
    assert sent.error.startswith("channel unix:")


def test_silence_is_not_waited_for_forever(tmp_path: Path, saved: Path) -> None:
    peer = peer_at(tmp_path, shut=None)
    sent = send(saved, peer.uri, timeout_s=0.2)
    assert (sent.outcome, "no SHUT within 0.2 s" in sent.error) == ("failed", True)


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"rule": "never"}, "rule 'never'"),
        ({"capabilities": ("x-colo",)}, "send with x-colo"),
        ({"capabilities": ("postcopy-preempt",)}, "it needs postcopy-ram"),
        ({"parameters": {"max-bandwidht": 1}}, "did you mean max-bandwidth"),
        ({"workload": "uniform"}, "no rate"),
        ({"workload": "uniform:5,pages=900"}, "the guest has 800 pages"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_sent(
    tmp_path: Path, saved: Path, values: dict[str, object], wrong: str
) -> None:
    with pytest.raises(InputError, match=wrong):
        send(saved, f"unix:{tmp_path}/nobody", **values)  # type: ignore[arg-type]


def test_nobody_there_is_one_clear_error(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(ChannelError, match="nobody"):
        send(saved, f"unix:{tmp_path}/nobody")


def test_a_file_without_devices_is_no_saved_guest(tmp_path: Path) -> None:
    path = tmp_path / "half.mig"
    path.write_bytes(writer.header(None) + writer.EOF)
    with pytest.raises(StreamError, match="no RAM in its stream"):
        read_image(path)


@pytest.mark.parametrize("name", named("mapped-ram", "xbzrle", "file"))
def test_every_kind_of_file_is_a_saved_guest(name: str, tmp_path: Path) -> None:
    path = tmp_path / "guest.mig"
    path.write_bytes(main(name))
    image = read_image(path)
    peer = Peer(tmp_path / "s", writer.description(image.description))
    assert send(path, peer.uri).outcome == "completed"
    data = peer.join()
    arrived = image_of(read_stream(data), data, "arrived")
    assert arrived.memory.tobytes() == image.memory.tobytes()
    assert arrived.sections == image.sections
    assert arrived.configuration.capabilities == ()


@pytest.mark.parametrize("transport", ["file:", "exec:cat > "])
def test_a_stream_goes_to_a_file_too(tmp_path: Path, saved: Path, transport: str) -> None:
    sent = send(saved, f"{transport}{tmp_path / 'copy.mig'}")
    assert sent.outcome == "completed"
    assert np.array_equal(read_image(tmp_path / "copy.mig").memory, read_image(saved).memory)
    assert (tmp_path / "copy.mig").stat().st_size >= 630 * SIZE
