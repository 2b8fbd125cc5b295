"""A real QEMU migrates to migkit: counters to the byte, RAM to the byte, requests answered."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migkit._engine.writers import make_writer
from migkit.channels import FdAddress, TlsFiles, listen
from migkit.lab import Qemu
from migkit.lab.guest_program import build_guest
from migkit.live import Receiver, Reception, read_saved, receive
from migkit.live.faults import Missing
from migkit.live.live_frames import LiveFrames
from migkit.workloads.text import parse_workload
from real.machine import LIMIT_S, OVER, Machine, until

MEMORY_MIB = 32
GUEST = "beat=50 fill=1024,6500 phase=1,1024,1500,2,0,1,1,7,0,0,0,0,0 write=1,1,8,4294967295"
"""25 MiB of data, 2000 pages a second of 1500 written at random, 8 bytes each time."""
CERTIFICATES = Path(__file__).parents[1] / "channels" / "certificates"
COUNTS = ("normal", "duplicate", "postcopy-bytes", "multifd-bytes", "transferred")
BY_RUNSTATE = ("precopy-bytes", "downtime-bytes")
SLOW = 24 << 20
TRICKLE = 1 << 20
"""Bytes a second at which nothing ends while a test looks: the guest has 25 times as many."""
PAGE_A_WINDOW = 40960
"""Bytes a second of which a page is due every 100 ms."""
FIRST_MIB = 1 << 20


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_guest(tmp_path_factory.mktemp("guest"))


@pytest.fixture(params=["before", "after"])
def qemu(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"qemu_{request.param}")


@contextmanager
def running(qemu: Qemu, guest: Path, folder: Path) -> Iterator[Machine]:
    """Start a source whose guest runs."""
    words = ["-m", f"{MEMORY_MIB}M", "-kernel", str(guest), "-append", GUEST]
    source = Machine(qemu.command, words, folder / "source")
    try:
        source.connect()
        source.until(lambda: source.beat() >= 0, "heartbeat of the guest")
        yield source
    finally:
        source.close()


class Destination:
    """Receives in a thread."""

    def __init__(self, where: object = "tcp::0", **settings: Any) -> None:
        waits = {"wait_s": LIMIT_S, "recover_s": LIMIT_S}
        self.receiver = Receiver(where, **waits | settings)  # type: ignore[arg-type]
        self.results: list[Reception] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.results.append(self.receiver.run())

    @property
    def uri(self) -> str:
        return str(self.receiver.address)

    def result(self) -> Reception:
        self._thread.join(2 * LIMIT_S)
        assert self.results, f"the destination does not end: {self.receiver.progress}"
        assert self.results[0].outcome == "completed", self.results[0].error
        return self.results[0]


def check(
    source: Machine,
    found: Reception,
    folder: Path,
    *,
    equal: bool = True,
    began_stopped: bool = False,
) -> None:
    """Compare with what the source counts, and with the memory that its guest had."""
    ram = source.tell("query-migrate")["ram"]
    counters = found.stream.counters
    if equal:
        assert {n: counters[n] for n in COUNTS} == {n: ram[n] for n in COUNTS}
        # What leaves a guest that stands still counts as downtime, which no byte of it tells.
        assert sum(counters[n] for n in BY_RUNSTATE) == sum(ram[n] for n in BY_RUNSTATE)
        assert began_stopped or all(counters[n] == ram[n] for n in BY_RUNSTATE)
    assert found.missing_pages == 0
    size = (MEMORY_MIB << 20) - FIRST_MIB
    source.tell("pmemsave", val=FIRST_MIB, size=size, filename=str(folder / "memory"))
    there = np.fromfile(folder / "memory", np.uint8)
    here = np.frombuffer(found.ram("pc.ram"), np.uint8)[FIRST_MIB:]
    bad = np.flatnonzero((there != here).reshape(-1, 4096).any(axis=1)) + (FIRST_MIB >> 12)
    assert bad.tolist() == [], "pages of pc.ram differ"
    assert len(found.devices) > 20


def migrate(
    source: Machine, folder: Path, *capabilities: str, where: object = "tcp::0", **more: Any
) -> Reception:
    """Run a precopy migration; the guest goes on at the source afterwards."""
    source.switch(*capabilities)
    to = Destination(where, **more)
    source.tell("migrate", uri=to.uri)
    assert source.reached(*OVER) == "completed"
    found = to.result()
    check(source, found, folder)
    source.tell("cont")
    source.switch(*capabilities, state=False)
    return found


def test_precopy_over_every_transport(qemu: Qemu, guest: Path, tmp_path: Path) -> None:
    with running(qemu, guest, tmp_path) as source:
        found = migrate(source, tmp_path, "return-path")
        assert found.to_dict()["qemu_counts"]["normal_pages"] > 6000
        assert found.stream.device_fields["value"].notna().any()
        migrate(source, tmp_path, "return-path", "switchover-ack", switchover_ack=True)
        unix = migrate(source, tmp_path, where=f"unix:{tmp_path}/incoming")
        unix.save(tmp_path / "saved")
        state, rams = read_saved(tmp_path / "saved")
        assert state.blocks[0].name == "pc.ram"
        assert rams[0].tobytes() == bytes(unix.ram("pc.ram"))
        own, theirs = socket.socketpair()
        with own:
            to = Destination(listen(FdAddress(str(own.fileno()))))
        source.give_descriptor("m", theirs.fileno())
        theirs.close()
        source.tell("migrate", uri="fd:m")
        assert source.reached(*OVER) == "completed"
        check(source, to.result(), tmp_path)


@pytest.mark.parametrize("method", ["none", "zlib", "zstd"])
def test_multifd(qemu_after: Qemu, guest: Path, tmp_path: Path, method: str) -> None:
    with running(qemu_after, guest, tmp_path) as source:
        source.enable(multifd_channels=3, multifd_compression=method)
        found = migrate(source, tmp_path, "multifd")
        assert found.stream.packets["channel_id"].nunique() == 3


def test_multifd_before(qemu_before: Qemu, guest: Path, tmp_path: Path) -> None:
    with running(qemu_before, guest, tmp_path) as source:
        source.enable(multifd_channels=2)
        migrate(source, tmp_path, "multifd", "return-path", multifd_channels=2)


def test_xbzrle(qemu: Qemu, guest: Path, tmp_path: Path) -> None:
    with running(qemu, guest, tmp_path) as source:
        source.enable("xbzrle", max_bandwidth=SLOW, downtime_limit=5)
        to = Destination()
        source.tell("migrate", uri=to.uri)
        # The cache fills in the second pass, and what is sent again from then on is found in it.
        source.until(lambda: source.ram().get("dirty-sync-count", 0) > 2, "third pass")
        source.enable(max_bandwidth=0, downtime_limit=300)
        assert source.reached(*OVER) == "completed"
        found = to.result()
        check(source, found, tmp_path)
        assert found.to_dict()["qemu_counts"]["xbzrle_pages"] > 0


def test_files_and_commands(qemu: Qemu, guest: Path, tmp_path: Path) -> None:
    with running(qemu, guest, tmp_path) as source:
        for uri, where in (
            (f"file:{tmp_path}/plain,offset=4096", None),
            (f"exec:cat > {tmp_path}/piped", f"exec:cat {tmp_path}/piped"),
        ):
            source.tell("migrate", uri=uri)
            assert source.reached(*OVER) == "completed"
            check(source, receive(where or uri), tmp_path)
            source.tell("cont")
        source.enable("mapped-ram", "multifd")
        source.tell("migrate", uri=f"file:{tmp_path}/mapped")
        assert source.reached(*OVER) == "completed"
        check(source, receive(f"file:{tmp_path}/mapped"), tmp_path, equal=False)


def test_tls(qemu: Qemu, guest: Path, tmp_path: Path) -> None:
    with running(qemu, guest, tmp_path) as source:
        source.tell("object-add", qom_type="tls-creds-x509", id="tls0", endpoint="client",
                    dir=str(CERTIFICATES), verify_peer=True)  # fmt: skip
        source.enable(tls_creds="tls0", tls_hostname="localhost", multifd_channels=2)
        files = TlsFiles(CERTIFICATES, authz=("O=migkit tests,CN=source",))
        migrate(source, tmp_path, "return-path", tls=files)
        migrate(source, tmp_path, "multifd", tls=files)


def postcopy(
    qemu: Qemu,
    guest: Path,
    folder: Path,
    *capabilities: str,
    faults: Any = "uniform:400",
    rate: int = TRICKLE,
    between: Callable[[Machine, Destination], None],
    equal: bool = True,
) -> tuple[Reception, dict[str, int]]:
    """Run a postcopy migration in which pages are asked for; return the source's counters too.

    It goes at a low rate until `between` has seen what it wants.
    """
    with running(qemu, guest, folder) as source:
        source.enable("postcopy-ram", *capabilities, max_postcopy_bandwidth=rate,
                      max_bandwidth=TRICKLE)  # fmt: skip
        to = Destination(faults=faults)
        source.begin(to.uri, TRICKLE // 2)
        source.goes_on()
        source.tell("migrate-start-postcopy")
        between(source, to)
        source.enable(max_postcopy_bandwidth=0)
        assert source.reached(*OVER) == "completed"
        found = to.result()
        check(source, found, folder, equal=equal, began_stopped=True)
        return found, source.ram()


def asked_for(count: int) -> Callable[[Machine, Destination], None]:
    """Wait until so many pages were asked for."""

    def wait(source: Machine, to: Destination) -> None:
        source.until(lambda: to.receiver.progress.requests >= count, f"{count} requests")

    return wait


def test_a_workload_faults_and_its_frames_come_meanwhile(
    qemu_after: Qemu, guest: Path, tmp_path: Path
) -> None:
    seen: list[LiveFrames] = []

    def between(source: Machine, to: Destination) -> None:
        asked_for(60)(source, to)
        seen.append(to.receiver.frames)

    touches = parse_workload("hotcold:900,hot=300,percent=80,base=1024,pages=5000")
    found, _ = postcopy(qemu_after, guest, tmp_path, faults=touches, between=between)
    [live] = seen
    writer, first = make_writer(touches.within(8192)), dict[int, float]()
    while (write := writer.next_write(int(60e9))) and not writer.drop_write():
        first.setdefault(write[1], write[0] / 1e9)
    asked = found.requests
    assert (asked["t_s"] >= asked["page"].map(first)).all()
    known = len(live.requests)
    assert known > 0
    assert live.requests.equals(found.requests.head(known))
    now = live.progress.iloc[-1]
    assert (now["state"], now["requests"] >= 60) == ("postcopy-active", True)
    assert 0 < now["bytes"] < found.bytes_received
    rounds = found.stream.rounds
    closed = live.rounds.iloc[:-1]
    assert closed.equals(rounds.iloc[: len(closed)])


def test_postcopy_with_requests(qemu: Qemu, guest: Path, tmp_path: Path) -> None:
    found, ram = postcopy(qemu, guest, tmp_path, between=asked_for(60))
    told = found.to_dict()
    assert told["requests"] == ram["postcopy-requests"] >= 60
    latency = told["request_latency_us"]
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    if qemu.rule == "after":
        assert told["pages_in_complete"] == 0


class OneByOne:
    """Asks for a page when the one before has come, as one vCPU does."""

    def __init__(self, count: int) -> None:
        self.pages = range(7000, 7000 - count, -1)
        self.over = threading.Event()
        self.began_s = self.ended_s = 0.0

    def __call__(self, missing: Missing, seed: int) -> Iterator[tuple[float, int]]:
        self.began_s = time.monotonic()
        for page in self.pages:
            yield 0.0, page
            while missing()[page] and time.monotonic() < self.began_s + LIMIT_S:
                time.sleep(0.0005)
        self.ended_s = time.monotonic()
        self.over.set()


def test_preempt_answers_past_the_limiter(qemu: Qemu, guest: Path, tmp_path: Path) -> None:
    count = 300
    faults = OneByOne(count)

    def wait(source: Machine, to: Destination) -> None:
        source.until(faults.over.is_set, f"{count} pages, one by one")

    found, ram = postcopy(qemu, guest, tmp_path, "postcopy-preempt", faults=faults,
                          rate=PAGE_A_WINDOW, between=wait)  # fmt: skip
    assert found.to_dict()["requests"] == ram["postcopy-requests"] == count
    rounds = found.stream.rounds
    assert set(rounds["channel"]) == {"main", "preempt"}
    urgent = rounds.loc[rounds["channel"] == "preempt", ["normal_pages", "zero_pages"]]
    assert urgent.sum().sum() == count
    # The limiter alone would let one of them pass in each window: these came in fewer windows.
    assert faults.ended_s - faults.began_s < 0.1 * count


def test_multifd_then_postcopy(qemu_after: Qemu, guest: Path, tmp_path: Path) -> None:
    found, _ = postcopy(qemu_after, guest, tmp_path, "multifd", between=asked_for(1))
    assert found.to_dict()["qemu_counts"]["multifd_bytes"] > 0
    assert found.requests_sent > 0


@pytest.mark.parametrize("preempt", [False, True], ids=["plain", "preempt"])
def test_recovery(qemu: Qemu, guest: Path, tmp_path: Path, preempt: bool) -> None:
    def cut(source: Machine, to: Destination) -> None:
        source.reached("postcopy-active")
        until(lambda: to.receiver.progress.requests > 5, "requests")
        to.receiver.yank()
        source.reached("postcopy-paused")
        until(lambda: to.receiver.progress.state == "postcopy-paused", "pause")
        source.tell("migrate", uri=to.uri, resume=True)

    on = ["postcopy-preempt"] * preempt
    found, _ = postcopy(qemu, guest, tmp_path, *on, between=cut, equal=False)
    assert found.pauses == 1
    assert found.requests_sent > 5
