"""A tap between two real QEMUs: it counts what the source counts, page for page, and cuts."""

from pathlib import Path
from typing import Any

import pytest

from migkit.lab import Qemu
from migkit.lab.guest_program import build_guest
from migkit.tap import Tap, TapResult
from real.machine import LIMIT_S, OVER, Machine
from real.pair import Pair

GUEST = "beat=50 fill=1024,4096 phase=1,1024,3000,2,0,1,1,7,0,0,0,0,0 write=1,1,8,4294967295"
"""16 MiB of data, 2000 pages a second of 3000 written at random."""

SMALL_GUEST = "beat=50 fill=1024,4900 phase=1,1024,3000,2,0,1,1,7,0,0,0,0,0 write=1,1,8,4294967295"
"""The same in 24 MiB with hardly a zero page, which would count as much as others."""

CERTIFICATES = Path(__file__).parents[1] / "channels" / "certificates"

COUNTERS = {
    "normal": "normal_pages",
    "duplicate": "duplicate_pages",
    "precopy-bytes": "precopy_bytes",
    "downtime-bytes": "downtime_bytes",
    "postcopy-bytes": "postcopy_bytes",
    "multifd-bytes": "multifd_bytes",
}


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_guest(tmp_path_factory.mktemp("guest"))


@pytest.fixture(params=["before", "after"])
def qemu(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"qemu_{request.param}")


def check_counts(result: TapResult, source: Machine, *, began_stopped: bool = False) -> None:
    """Compare all that both count."""
    ram, counted = source.ram(), result.qemu_counts
    told = {name: ram[theirs] for theirs, name in COUNTERS.items()}
    if began_stopped:
        # What leaves a guest that stands still counts as downtime, which no byte of it tells.
        assert told.pop("downtime_bytes") + told.pop("precopy_bytes") == (
            counted["downtime_bytes"] + counted["precopy_bytes"]
        )
    assert counted | told == counted
    assert result.stream.counters["transferred"] == ram["transferred"]
    assert result.stream.error is None


def test_precopy_is_counted_as_the_source_counts(qemu: Qemu, guest: Path, tmp_path: Path) -> None:
    with Pair(qemu.command, tmp_path, guest, GUEST) as pair:
        pair.enable(max_bandwidth=64 << 20)
        pair.listen(f"unix:{tmp_path}/incoming")
        with Tap("tcp:127.0.0.1:0", f"unix:{tmp_path}/incoming") as tap:
            pair.source.tell("migrate", uri=str(tap.address))
            assert pair.source.reached(*OVER) == "completed"
            assert tap.wait(LIMIT_S)
        result = tap.result()
        check_counts(result, pair.source)
        assert result.outcome == "complete"
        assert result.pages_in_complete > 0
        assert result.intervals["normal_pages"].sum() == result.qemu_counts["normal_pages"]
        assert pair.beats()


def test_through_tls_bytes_are_counted_and_nothing_else(
    qemu: Qemu, guest: Path, tmp_path: Path
) -> None:
    with Pair(qemu.command, tmp_path, guest, GUEST) as pair:
        for machine, end in ((pair.source, "client"), (pair.destination, "server")):
            machine.tell("object-add", qom_type="tls-creds-x509", id="tls0", endpoint=end,
                         dir=str(CERTIFICATES), verify_peer=True)  # fmt: skip
        pair.enable(tls_creds="tls0", tls_hostname="localhost", max_bandwidth=64 << 20)
        pair.listen(f"unix:{tmp_path}/incoming")
        with Tap("tcp:127.0.0.1:0", f"unix:{tmp_path}/incoming") as tap:
            pair.source.tell("migrate", uri=str(tap.address))
            assert pair.source.reached(*OVER) == "completed"
            assert tap.wait(LIMIT_S, linger_s=0)
            there = tap.passed[0]
        result, ram = tap.result(), pair.source.ram()
        assert result.outcome == "opaque"
        assert sum(result.qemu_counts.values()) == 0
        # Each record of TLS costs some bytes more than it carries.
        assert ram["transferred"] < there < 1.05 * ram["transferred"]
        assert "TLS" in result.report()
        assert pair.beats()


def test_a_lossy_link_with_an_outage_loses_nothing(
    qemu: Qemu, guest: Path, tmp_path: Path
) -> None:
    with Pair(qemu.command, tmp_path, guest, SMALL_GUEST, memory="24M") as pair:
        pair.enable("return-path", max_bandwidth=0, downtime_limit=1000)
        pair.listen(f"unix:{tmp_path}/incoming")
        worse = {"loss": "0.05%", "jitter": "2ms", "latency": "2ms"}
        with Tap(
            "tcp:127.0.0.1:0", f"unix:{tmp_path}/incoming",
            link=worse, rate="40MB/s", outages="200ms+150ms", seed=5,
        ) as tap:  # fmt: skip
            pair.source.tell("migrate", uri=str(tap.address))
            assert pair.source.reached(*OVER) == "completed"
            assert tap.wait(60)
        result = tap.result()
        check_counts(result, pair.source)
        assert result.outcome == "complete"
        # In model time nothing passes from 200 ms on until TCP's second retransmission.
        (outage,) = result.link["outages"]
        assert outage["goes_on_ns"] == (200 + 204) * 1_000_000
        whole = result.intervals[result.intervals["begin_ns"] == 300_000_000]
        # A piece that a busy machine took up late, and not the 4 MB of this link.
        assert whole["to_destination_bytes"].sum() < 1_000_000
        assert pair.beats()


def test_multifd_is_counted_as_the_source_counts(qemu: Qemu, guest: Path, tmp_path: Path) -> None:
    with Pair(qemu.command, tmp_path, guest, GUEST) as pair:
        pair.enable("multifd", max_bandwidth=64 << 20, multifd_channels=2)
        pair.listen("tcp:127.0.0.1:0")
        with Tap(f"unix:{tmp_path}/tap", pair.destination.tcp()) as tap:
            pair.source.tell("migrate", uri=str(tap.address))
            assert pair.source.reached(*OVER) == "completed"
            assert tap.wait(LIMIT_S)
        result = tap.result()
        check_counts(result, pair.source)
        kinds = sorted(result.connections["kind"])
        assert kinds == ["main", "multifd", "multifd"]
        assert pair.beats()


def test_postcopy_is_counted_and_its_requests_are_timed(
    qemu: Qemu, guest: Path, tmp_path: Path
) -> None:
    with Pair(qemu.command, tmp_path, guest, SMALL_GUEST, memory="24M") as pair:
        pair.enable(
            "postcopy-ram", "postcopy-preempt", max_bandwidth=2 << 20,
            max_postcopy_bandwidth=2 << 20, downtime_limit=300,
        )  # fmt: skip
        pair.listen(f"unix:{tmp_path}/incoming")
        with Tap("tcp:127.0.0.1:0", f"unix:{tmp_path}/incoming") as tap:
            pair.source.begin(str(tap.address), 1 << 20)
            pair.source.tell("migrate-start-postcopy")
            pair.source.until(lambda: pair.source.ram().get("postcopy-requests", 0) > 10, "faults")
            pair.source.enable(max_postcopy_bandwidth=16 << 20)
            assert pair.source.reached(*OVER) == "completed"
            assert tap.wait(LIMIT_S)
        result = tap.result()
        check_counts(result, pair.source, began_stopped=True)
        requests = result.requests
        assert len(requests) > 0
        known = requests["latency_ns"].dropna()
        assert len(known) > 0
        assert (known > 0).all()
        urgent = result.rounds.loc[result.rounds["channel"] == "preempt", "normal_pages"].sum()
        assert (urgent > 0) == ("preempt" in set(result.connections["kind"].dropna()))
        # With the rule before, save_complete moves what is left below the threshold.
        assert (result.pages_in_complete > 0) == (qemu.rule == "before")
        assert pair.beats()


def test_a_cut_in_save_complete_cannot_be_recovered(
    qemu: Qemu, guest: Path, tmp_path: Path
) -> None:
    """The rules differ in what is left for save_complete then: nothing with the rule after."""
    with Pair(qemu.command, tmp_path, guest, SMALL_GUEST, memory="24M") as pair:
        pair.enable(
            "postcopy-ram", max_bandwidth=2 << 20, max_postcopy_bandwidth=16 << 20,
            downtime_limit=300,
        )  # fmt: skip
        pair.listen(f"unix:{tmp_path}/incoming")
        with Tap("tcp:127.0.0.1:0", f"unix:{tmp_path}/incoming", cut="save_complete") as tap:
            pair.source.begin(str(tap.address), 1 << 20)
            pair.source.tell("migrate-start-postcopy")
            assert pair.source.reached(*OVER, "postcopy-paused") == "failed"
            assert pair.destination.reached("postcopy-paused", "failed") == "postcopy-paused"
            assert tap.wait(LIMIT_S, linger_s=0.1)
        result = tap.result()
        assert result.outcome == "cut"
        assert result.pages_in_complete == 0
        records = result.sections
        opened = records.index[records["name"] == "PACKAGED"][0]
        sent = records.loc[records.index > opened, ["normal_pages", "zero_pages"]].sum().sum()
        left = result.stream.discards["length"].sum() // 4096 - sent
        assert (left > 0) == (qemu.rule == "before")
        assert left >= 0


def test_a_cut_in_postcopy_is_recovered_through_the_tap(
    qemu: Qemu, guest: Path, tmp_path: Path
) -> None:
    pages = 300
    with Pair(qemu.command, tmp_path, guest, GUEST) as pair:
        pair.enable("postcopy-ram", max_bandwidth=2 << 20, max_postcopy_bandwidth=4 << 20)
        pair.listen(f"unix:{tmp_path}/incoming")
        with Tap("tcp:127.0.0.1:0", f"unix:{tmp_path}/incoming", cut=f"postcopy:{pages}") as tap:
            pair.source.begin(str(tap.address), 1 << 20)
            pair.source.tell("migrate-start-postcopy")
            assert tap.wait_for_cut(LIMIT_S)
            for machine in (pair.destination, pair.source):
                assert machine.reached("postcopy-paused", "failed") == "postcopy-paused"
            pair.source.enable(max_postcopy_bandwidth=0)
            pair.destination.tell("migrate-recover", uri=f"unix:{tmp_path}/incoming")
            pair.source.tell("migrate", uri=str(tap.address), resume=True)
            assert pair.source.reached(*OVER) == "completed"
            assert tap.wait(LIMIT_S)
        result = tap.result()
        assert result.outcome == "complete"
        sections = result.sections
        assert sections["connection"].max() == 1
        opened = sections.index[sections["name"] == "PACKAGED"][0]
        first = sections[(sections.index > opened) & (sections["connection"] == 0)]
        assert first[["normal_pages", "zero_pages"]].sum().sum() == pages
        assert pair.beats()
