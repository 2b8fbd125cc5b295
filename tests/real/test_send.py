"""migkit sends a guest to real QEMUs of both rules; there it runs on where it stopped."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from live.send_peer import holding
from migkit.channels import TlsFiles
from migkit.lab import Qemu
from migkit.live import Receiver, Sent, send
from real.machine import LIMIT_S, until
from real.send_destination import machine_of, runs_on, save_guest, waiting

SLOW = {"max-bandwidth": 64 << 20, "max-postcopy-bandwidth": 16 << 20, "downtime-limit": 150}
"""The threshold is 1.5 windows: of 25 MiB, by the rule before, the end always has some left."""
Saved = tuple[Path, int]
FILES = Path(__file__).parents[1] / "channels" / "certificates"


def uri_of(folder: Path) -> str:
    return f"unix:{folder / 's'}"


@pytest.mark.parametrize("rule", ["before", "after"])
def test_precopy_of_a_guest_that_dirties(
    rule: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    qemu, saved = _of(rule, request)
    with waiting(qemu, machine_of(qemu), tmp_path / "d", "tcp:127.0.0.1:0") as there:
        sent = send(saved[0], there.tcp(), rule=rule, workload="uniform:1500", parameters=SLOW)
        assert (sent.outcome, sent.error) == ("completed", "")
        runs_on(there, saved)
    assert sent.summary["ram"]["dirty-sync-count"] > 2


@pytest.mark.parametrize("rule", ["before", "after"])
def test_postcopy_serves_real_faults(
    rule: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    qemu, saved = _of(rule, request)
    with waiting(
        qemu, machine_of(qemu), tmp_path / "d", uri_of(tmp_path), "postcopy-ram"
    ) as there:
        sent = send(
            saved[0],
            uri_of(tmp_path),
            rule=rule,
            postcopy_at_s=0.15,
            parameters=SLOW,
            progress=holding(*range(1, 8)),
        )
        assert (sent.outcome, sent.error) == ("completed", "")
        runs_on(there, saved)
    report = sent.report()
    assert report["requests"]["served"] > 5
    assert report["service_latency_us"]["p50"] > 0
    # By the rule before, what fits into the downtime limit is left for save_complete.
    assert (report["pages_in_complete"] > 0) == (rule == "before")


def test_requests_on_a_channel_of_their_own_do_not_wait(
    qemu_after: Qemu, saved_after: Saved, tmp_path: Path
) -> None:
    on = ("postcopy-ram", "postcopy-preempt")
    with waiting(
        qemu_after, machine_of(qemu_after), tmp_path / "d", uri_of(tmp_path), *on
    ) as there:
        sent = send(
            saved_after[0],
            uri_of(tmp_path),
            capabilities=on,
            postcopy_at_s=0.15,
            parameters=SLOW,
            progress=holding(21),
        )
        assert (sent.outcome, sent.error) == ("completed", "")
        runs_on(there, saved_after)
    served = sent.report()["requests"]["served"]
    assert served > 20
    # Each went out when it came, and not by the loop, which waits for the end of its window.
    assert (sent.events["event"] == "postcopy_preempt_send_host_page").sum() == served


@pytest.mark.parametrize("rule", ["before", "after"])
def test_multifd_with_zstd(rule: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    qemu, saved = _of(rule, request)
    values = {"multifd-channels": 3, "multifd-compression": "zstd"}
    there_values = {"multifd_channels": 3, "multifd_compression": "zstd"}
    with waiting(
        qemu, machine_of(qemu), tmp_path / "d", uri_of(tmp_path), "multifd", **there_values
    ) as there:
        sent = send(
            saved[0],
            uri_of(tmp_path),
            rule=rule,
            capabilities=("multifd", "return-path"),
            parameters=values,
        )
        assert (sent.outcome, sent.error) == ("completed", "")
        runs_on(there, saved)
    assert sent.summary["ram"]["multifd-bytes"] > 1 << 20


def test_a_guest_of_the_old_qemu_moves_to_the_new_one(
    qemu_before: Qemu, qemu_after: Qemu, saved_before: Saved, tmp_path: Path
) -> None:
    machine = machine_of(qemu_before)
    on = ("return-path", "switchover-ack")
    with waiting(qemu_after, machine, tmp_path / "d", uri_of(tmp_path), *on) as there:
        sent = send(saved_before[0], uri_of(tmp_path), capabilities=on)
        assert (sent.outcome, sent.error) == ("completed", "")
        runs_on(there, saved_before)


def test_a_guest_that_we_received_goes_on_to_another_qemu(
    qemu_after: Qemu, tmp_path: Path
) -> None:
    """QEMU to migkit, which keeps the guest in a folder, and from there to QEMU."""
    receiver = Receiver(f"unix:{tmp_path / 'r'}", wait_s=LIMIT_S)
    saved = save_guest(qemu_after, machine_of(qemu_after), tmp_path / "g", receiver)
    assert saved[0].is_dir()
    with waiting(qemu_after, machine_of(qemu_after), tmp_path / "d", uri_of(tmp_path)) as there:
        sent = send(saved[0], uri_of(tmp_path))
        assert (sent.outcome, sent.error) == ("completed", "")
        runs_on(there, saved)


def test_tls_on_every_channel(qemu_after: Qemu, saved_after: Saved, tmp_path: Path) -> None:
    on = ("multifd", "return-path")
    with waiting(
        qemu_after, machine_of(qemu_after), tmp_path / "d", "tcp:127.0.0.1:0", *on, tls=FILES
    ) as there:
        sent = send(saved_after[0], there.tcp(), capabilities=on, tls=TlsFiles(FILES))
        assert (sent.outcome, sent.error) == ("completed", "")
        runs_on(there, saved_after)


@pytest.mark.parametrize("rule", ["before", "after"])
def test_after_a_cut_in_postcopy_it_goes_on(
    rule: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    qemu, saved = _of(rule, request)
    again = f"unix:{tmp_path / 'again'}"
    with waiting(
        qemu, machine_of(qemu), tmp_path / "d", uri_of(tmp_path), "postcopy-ram"
    ) as there:
        found: list[Sent] = []
        held, paused = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            paused.wait(LIMIT_S)

        source = threading.Thread(
            target=lambda: found.append(
                send(
                    saved[0],
                    uri_of(tmp_path),
                    rule=rule,
                    postcopy_at_s=0.15,
                    parameters=SLOW,
                    recover=again,
                    progress=holding(1, then=hold),
                )
            )
        )
        source.start()
        # A cut before the source knows that the package was loaded fails it, by the rule after.
        assert held.wait(LIMIT_S)
        there.tell("migrate-pause")
        there.reached("postcopy-paused")
        paused.set()
        there.tell("migrate-recover", uri=again)
        until(lambda: found, "end of the source", said=there.states)
        source.join()
        assert (found[0].outcome, found[0].error) == ("completed", "")
        runs_on(there, saved)
    states = found[0].events.query("event == 'migrate_set_state'")["arguments"].str.cat()
    assert "postcopy-paused" in states
    assert "postcopy-recover" in states


def _of(rule: str, request: pytest.FixtureRequest) -> tuple[Qemu, Saved]:
    qemu: Qemu = request.getfixturevalue(f"qemu_{rule}")
    saved: Saved = request.getfixturevalue(f"saved_{rule}")
    return qemu, saved
