"""A scenario on a real pair of QEMUs, recorded as a capture."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from migkit.atomic import whole_folder
from migkit.errors import LabError, NotSimulatedError
from migkit.host import HostProfile
from migkit.lab.capture_files import write_capture
from migkit.lab.failures import kill_at
from migkit.lab.guest_program import build_guest
from migkit.lab.guest_words import fit_guest, guest_words
from migkit.lab.image import GuestImage
from migkit.lab.pair import Pair
from migkit.lab.qemus import Qemu, choose_qemu
from migkit.lab.session import observe
from migkit.lab.timeline import Item, needs_tap
from migkit.scenario import Scenario

if TYPE_CHECKING:
    from migkit.capture import Capture

__all__ = ["read_lab_scenario", "run"]

_LEAD_S = 1.0
_Result = TypeVar("_Result")


def run(
    scenario: Scenario | str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    rule: str | None = None,
    qemu: Iterable[str | PathLike[str]] = (),
    kill: str | None = None,
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
    asked = scenario if isinstance(scenario, Scenario) else read_lab_scenario(Path(scenario))
    chosen = choose_qemu(rule or asked.completion_rule, qemu)
    fitted = _as_run(asked, chosen) if image else fit_guest(_as_run(asked, chosen))
    tell = say or (lambda text: None)
    with _place(out) as folder:
        with tempfile.TemporaryDirectory(prefix="migkit-lab.") as work:
            logs = Path(work)
            timeline = (*fitted.timeline, *((kill_at(kill),) if kill else ()))
            pair = _pair(fitted, chosen, _guest(fitted, image, logs), timeline, tap)
            observed = _in_thread(lambda: observe(pair, fitted, logs, tell))
            write_capture(folder, logs, fitted, observed, (chosen, chosen))
        if out is None:
            return _read_whole(folder)
    return _read(Path(str(out)))


def read_lab_scenario(path: Path) -> Scenario:
    """Read a scenario from a file, or from a capture to record again.

    Parameters
    ----------
    path : Path
        A TOML or JSON file of `migkit.scenario.Scenario.from_file`, or a capture's folder or
        ``scenario.json``.

    Returns
    -------
    Scenario
        The scenario.

    Raises
    ------
    MigkitError
        If it is neither.
    """
    if path.is_dir() or _tells_its_qemu(path):
        return Scenario.from_capture(path)
    return Scenario.from_file(path)


def _tells_its_qemu(path: Path) -> bool:
    """Whether a file is a capture's scenario.json: that of a user names no recorded QEMU."""
    if path.suffix != ".json":
        return False
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and isinstance(values.get("qemu"), dict)


def _as_run(scenario: Scenario, qemu: Qemu) -> Scenario:
    """Refuse what a pair on this machine cannot do; take rule and version from the QEMU."""
    for found, what, fix in (
        (scenario.transport.kind != "tcp", f"transport {scenario.transport.kind}", "use tcp"),
        (bool(scenario.iterables), "other iterable handlers", "leave them out"),
        (_changes_more(scenario), "a link-change of more than its bandwidth", "change that alone"),
        (scenario.runstate != "running", f"runstate {scenario.runstate}", "use running"),
        (scenario.parameters.to_qmp(changed_only=True).get("tls-creds"), "TLS", "leave it out"),
    ):
        if found:
            raise LabError.of(f"lab run with {what}", "a lab run has none of that", fix)
    return dataclasses.replace(scenario, completion_rule=qemu.rule, qemu_version=qemu.version_text)


def _changes_more(scenario: Scenario) -> bool:
    changes = [item for item in scenario.timeline if item.command == "link-change"]
    return any(set(item.arguments) != {"bandwidth"} for item in changes)


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
    scenario: Scenario,
    qemu: Qemu,
    guest: _BootedGuest,
    timeline: tuple[Item, ...],
    tap: bool,
) -> Pair:
    machine = [
        *("-machine", "pc", "-accel", scenario.accelerator.name, "-nodefaults"),
        *("-display", "none", "-smp", str(scenario.guest.vcpus)),
        *("-m", f"{scenario.guest.memory_bytes >> 20}M"),
        *guest.words,
    ]
    plain = HostProfile.load().link
    slow = scenario.link != plain
    rate = scenario.link.bandwidth_bytes_per_s  # the tap lets through just that
    return Pair(
        source=qemu,
        dest=qemu,
        words=machine,
        ready=guest.ready,
        lead_s=guest.lead_s,
        tap=tap or slow or needs_tap(timeline),
        bytes_per_s=rate if slow else 0,
        latency_ns=max(scenario.link.latency_ns - plain.latency_ns, 0),
        timeline=timeline,
        refused=any(item.command == "connect-failure" for item in scenario.timeline),
    )


@contextlib.contextmanager
def _place(out: str | PathLike[str] | None) -> Iterator[Path]:
    """Give the folder to write: the one that is asked for, or one that goes again."""
    if out is not None:
        with whole_folder(Path(out)) as folder:
            yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="migkit-lab.") as folder:
            yield Path(folder)


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


def _in_thread(make: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """Run a coroutine in a thread of its own, so that a notebook's loop is no hindrance.

    An interruption cancels it, and is passed on when everything it started has ended.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []
    loop = asyncio.new_event_loop()
    task: asyncio.Task[_Result] = loop.create_task(make())
    # A thread that was joined when a signal came counts as ended in Python up to 3.12.
    ended = threading.Event()

    def work() -> None:
        try:
            results.append(loop.run_until_complete(task))
        except BaseException as error:
            errors.append(error)
        finally:
            loop.close()
            ended.set()

    thread = threading.Thread(target=work, name="migkit lab")
    thread.start()
    try:
        ended.wait()
    except BaseException:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(task.cancel)
        ended.wait()
        raise
    if errors:
        raise errors[0]
    return results[0]
