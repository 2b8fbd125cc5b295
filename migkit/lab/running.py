"""A scenario on a real pair of QEMUs, recorded as a capture."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.atomic import scratch_folder, whole_folder
from migkit.errors import LabError, NotSimulatedError
from migkit.host import HostProfile
from migkit.lab.between import tap_link
from migkit.lab.capture_files import write_capture
from migkit.lab.failures import Failures, check_failures, kill_at, written_failures
from migkit.lab.guest_program import build_guest
from migkit.lab.guest_words import fit_guest, guest_words
from migkit.lab.image import GuestImage
from migkit.lab.pair import Pair
from migkit.lab.qemus import Qemu, choose_qemu
from migkit.lab.refusals import machine_words, on_small_disk
from migkit.lab.scenario_file import read_lab_file
from migkit.lab.session import observe
from migkit.lab.thread import in_thread
from migkit.lab.timeline import needs_tap
from migkit.network import Link
from migkit.scenario import Scenario

if TYPE_CHECKING:
    from migkit.capture import Capture

__all__ = ["run"]

_LEAD_S = 1.0


def run(
    scenario: Scenario | str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    rule: str | None = None,
    qemu: Iterable[str | PathLike[str]] = (),
    kill: str | None = None,
    failures: Failures | Mapping[str, Any] | None = None,
    tap: bool = False,
    image: GuestImage | None = None,
    say: Callable[[str], None] | None = None,
) -> Capture:
    """Run a migration on two real QEMUs.

    Parameters
    ----------
    scenario : Scenario or path-like
        What to run: a scenario, its TOML or JSON file, or a capture to record again.
    out : path-like, optional
        Folder of the capture; it appears whole or not at all. Left out, only what is returned is
        kept.
    rule : {"before", "after"}, optional
        Completion rule, whose QEMU is chosen; the scenario's if left out.
    qemu : iterable of path-like
        QEMUs of your own to choose from, see `migkit.lab.find_qemus`.
    kill : str, optional
        The sudden end of a side: ``"source@3s"`` (`migkit.lab.failures.kill_at`).
    failures : Failures or mapping, optional
        What goes wrong on purpose: ``{"cut": "postcopy:100", "recover": "1s"}``
        (`migkit.lab.failures.written_failures`); what the scenario's file says if left out.
    tap : bool
        Whether the stream passes through a `migkit.tap.Tap` even if nothing happens to the link:
        it counts the pages inside ``save_complete`` on any version of QEMU.
    image : GuestImage, optional
        A guest of your own, which does what it does whatever the scenario's workload says.
    say : callable, optional
        Told what is going on, several times a second.

    Returns
    -------
    Capture
        The recorded migration.

    Raises
    ------
    LabError
        If no QEMU follows the rule, the guest cannot do what the scenario says, or a QEMU does not
        start. No process, socket or half a capture is left then, nor after an interruption.
    InputError
        If the scenario is not valid.
    """
    asked, wrong = (
        (scenario, Failures()) if isinstance(scenario, Scenario) else read_lab_file(Path(scenario))
    )
    if failures is not None:
        wrong = failures if isinstance(failures, Failures) else written_failures(failures)
    if kill is not None:
        wrong = dataclasses.replace(wrong, kill=kill_at(kill))
    check_failures(wrong, cut_in_timeline=_has(asked, "cut"), to_file=_to_file(asked))
    chosen = choose_qemu(rule or asked.completion_rule, qemu)
    fitted = _as_run(asked, chosen) if image else fit_guest(_as_run(asked, chosen))
    tell = say or (lambda text: None)
    with _place(out) as folder:
        with scratch_folder("migkit-lab.") as logs:
            pair = _pair(fitted, chosen, _guest(fitted, image, logs), wrong, logs)
            pair.tap = pair.tap or (tap and not pair.unreached)
            observed = in_thread(lambda: observe(pair, fitted, logs, tell))
            write_capture(folder, logs, fitted, observed, (chosen, chosen), wrong)
        if out is None:
            return _read_whole(folder)
    return _read(Path(str(out)))


def _as_run(scenario: Scenario, qemu: Qemu) -> Scenario:
    """Refuse what a pair on this machine cannot do; take rule and version from the QEMU."""
    for found, what, fix in (
        (scenario.transport.kind == "exec", "transport exec", "use tcp or file"),
        (bool(scenario.iterables), "other iterable handlers", "leave them out"),
        (scenario.runstate != "running", f"runstate {scenario.runstate}", "use running"),
        (scenario.parameters.to_qmp(changed_only=True).get("tls-creds"), "TLS", "leave it out"),
    ):
        if found:
            raise LabError.of(f"lab run with {what}", "a lab run has none of that", fix)
    return dataclasses.replace(scenario, completion_rule=qemu.rule, qemu_version=qemu.version_text)


def _has(scenario: Scenario, command: str) -> bool:
    return any(item.command == command for item in scenario.timeline)


def _file(scenario: Scenario, folder: Path) -> str:
    """Return the file that the migration goes to, as its URI names it."""
    if not _to_file(scenario):
        return ""
    offset = scenario.transport.offset_bytes
    return f"{folder / 'memory'}{f',offset={offset}' if offset else ''}"


def _to_file(scenario: Scenario) -> bool:
    return scenario.transport.kind == "file"


@dataclasses.dataclass(frozen=True)
class _BootedGuest:
    """Words that boot it, what it prints when it works, and how long it then works."""

    words: tuple[str, ...]
    ready: str
    lead_s: float


def _guest(scenario: Scenario, image: GuestImage | None, folder: Path) -> _BootedGuest:
    if image is not None:
        return _BootedGuest(tuple(image.words), "", image.boot_s)
    told = guest_words(scenario)
    words = ["-kernel", str(build_guest(folder)), "-append", told.append]
    if told.table:
        table = folder / "table"
        table.write_bytes(told.table)
        words += ["-initrd", str(table)]
    return _BootedGuest(tuple(words), "ready", max(scenario.workload_lead_s, _LEAD_S))


def _pair(
    scenario: Scenario, qemu: Qemu, guest: _BootedGuest, failures: Failures, folder: Path
) -> Pair:
    plain, refusal = HostProfile.load().link, failures.destination
    disk, size = folder / "disk", scenario.guest.memory_bytes
    words = [
        *("-accel", scenario.accelerator.name, "-nodefaults", "-display", "none"),
        *("-smp", str(scenario.guest.vcpus), *guest.words),
    ]
    disk.mkdir()
    before: dict[str, tuple[str, ...]] = {}
    if refusal == "memory-full":
        before["dest"] = on_small_disk(disk, size // 2)
    link = tap_link(scenario.link, plain)
    changed = link != Link() or needs_tap(scenario.timeline)
    return Pair(
        source=qemu,
        dest=qemu,
        words=words,
        own_words={side: machine_words(side, size, refusal, disk) for side in ("source", "dest")},
        before=before,
        ready=guest.ready,
        lead_s=guest.lead_s,
        link=link,
        file=_file(scenario, disk),
        failures=failures,
        timeline=scenario.timeline,
        seed=scenario.seed,
        tap=changed or bool(failures.cut or failures.outages),
    )


@contextlib.contextmanager
def _place(out: str | PathLike[str] | None) -> Iterator[Path]:
    """Give the folder to write: the one that is asked for, or one that goes again."""
    if out is not None:
        with whole_folder(Path(out)) as folder:
            yield folder
    else:
        with scratch_folder("migkit-lab.") as folder:
            yield folder


def _read(folder: Path) -> Capture:
    from migkit.capture import read_capture

    return read_capture(folder)


def _read_whole(folder: Path) -> Capture:
    """Read everything of a capture whose folder goes away."""
    capture = _read(folder)
    # These are read when first asked for, and kept.
    _ = capture.result, capture.recordings, capture.polls
    with contextlib.suppress(NotSimulatedError):
        _ = capture.scenario
    return capture
