"""The evidence of the rewrite of postcopy's completion, made again on this machine.

Four real migrations: with the older and the newer rule, undisturbed and with the connection cut at
the same moment after postcopy began, which is inside ``save_complete`` of the older.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.atomic import whole_folder
from migkit.errors import LabError
from migkit.lab.install import install
from migkit.lab.qemus import choose_qemu
from migkit.lab.running import run
from migkit.provenance import provenance
from migkit.scenario import Scenario
from migkit.text_table import text_table

if TYPE_CHECKING:
    from migkit.capture import Capture

__all__ = ["EVIDENCE_FILE", "RealEvidence", "reproduce_rewrite", "rewrite_scenario"]

EVIDENCE_FILE = "evidence.json"

_INTO_COMPLETE = "ram_save_complete+300ms"
_RECOVERS_AFTER = "1s"
_BOTH_PAUSED = {"source": "postcopy-paused", "destination": "postcopy-paused"}
_BOTH_COMPLETED = {"source": "completed", "destination": "completed"}
_LOST = {"source": "failed", "destination": "postcopy-paused"}


@dataclass(frozen=True)
class RealEvidence:
    """What four real migrations showed.

    Parameters
    ----------
    rows : tuple of dict
        One for each: ``run``, ``qemu``, ``rule``, ``pages_in_save_complete``, ``after_cut``,
        ``final``, ``guest_runs_on``, and ``ram_save_complete``: what that trace point says, which
        QEMU up to 10.0 does not have.
    expected : dict of str to bool
        Statements of the claim, and whether the runs bear them out.
    """

    rows: tuple[dict[str, Any], ...]
    expected: dict[str, bool]

    @property
    def holds(self) -> bool:
        """Whether every statement of the claim is borne out."""
        return all(self.expected.values())

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, with where it comes from."""
        return {
            "holds": self.holds,
            "expected": self.expected,
            "runs": list(self.rows),
            "provenance": provenance(),
        }

    def __str__(self) -> str:
        """Lay it out for a terminal."""
        shown = [
            {
                "run": row["run"],
                "QEMU": row["qemu"],
                "pages in save_complete": str(row["pages_in_save_complete"]),
                "after the cut": _pair_text(row["after_cut"]),
                "in the end": _pair_text(row["final"]),
                "guest runs on": " and ".join(row["guest_runs_on"]) or "neither",
            }
            for row in self.rows
        ]
        left = [name for name in shown[0] if not name.startswith("pages")]
        marks = [f"{'yes' if ok else 'NO '}  {text}" for text, ok in self.expected.items()]
        return "\n".join([text_table(shown, left=left), "", *marks])


def rewrite_scenario(name: str = "postcopy", **more: Any) -> Scenario:
    """Return the scenario that all four run: small enough for two cores.

    Parameters
    ----------
    name : str
        Of the run.
    **more : Any
        Further values of `Scenario.build`.

    Returns
    -------
    Scenario
        96 MiB, 80 of them written at random; postcopy after half a second, with a downtime limit
        and a bandwidth of its own that let the older rule leave most of the memory to
        ``save_complete``. Precopy, at a quarter of it, is far from that limit even if the command
        for postcopy comes late.
    """
    return Scenario.build(
        name=name,
        memory="96MiB",
        workload="uniform:2000,pages=20000,base=1024,seed=3,write=count",
        bandwidth="8MiB/s",
        postcopy_bandwidth="32MiB/s",
        downtime_limit="2s",
        link_bandwidth="40MB/s",
        postcopy_at="500ms",
        **more,
    )


def reproduce_rewrite(
    out: str | PathLike[str] | None = None,
    *,
    qemu: Iterable[str | PathLike[str]] = (),
    say: Callable[[str], None] | None = None,
) -> RealEvidence:
    """Make the evidence: install what is missing, run the four migrations, and judge them.

    Parameters
    ----------
    out : path-like, optional
        Folder for the four captures and ``evidence.json``; it appears whole or not at all.
    qemu : iterable of path-like
        QEMUs of your own, one of each rule; else the lab's or the system's, installed if absent.
    say : callable, optional
        Told what is being done.

    Returns
    -------
    RealEvidence
        The runs, and which statements they bear out.

    Raises
    ------
    LabError
        If a QEMU cannot be had, or a run cannot be made.
    """
    tell = say or (lambda text: None)
    own = list(qemu)
    _have_both(own, tell)
    if out is None:
        return _made(None, own, tell)
    with whole_folder(Path(out)) as folder:
        evidence = _made(folder, own, tell)
        text = json.dumps(evidence.to_dict(), indent=1)
        (folder / EVIDENCE_FILE).write_text(text + "\n", encoding="utf-8")
    return evidence


def _have_both(own: list[str | PathLike[str]], tell: Callable[[str], None]) -> None:
    for rule in ("before", "after"):
        try:
            choose_qemu(rule, own)
        except LabError:
            if own:
                raise
            install(rule, say=tell)


def _made(
    folder: Path | None,
    own: list[str | PathLike[str]],
    tell: Callable[[str], None],
) -> RealEvidence:
    def recorded(name: str, rule: str, cut: str | None = None) -> Capture:
        tell(name)
        place = None if folder is None else folder / name
        failures = {} if cut is None else {"cut": cut, "recover": _RECOVERS_AFTER}
        return run(rewrite_scenario(name), place, rule=rule, qemu=own, failures=failures, tap=True)

    plain = {rule: recorded(f"postcopy-{rule}", rule) for rule in ("before", "after")}
    lost = recorded("cut-in-complete-before", "before", _INTO_COMPLETE)
    moment = next((row["seconds_since_postcopy_start"] for row in _cuts(lost)), None)
    if moment is None:
        raise LabError.of(
            "cut inside save_complete",
            "the migration was over before",
            "try it on a quiet machine",
        )
    saved = recorded("cut-same-moment-after", "after", f"postcopy_start+{moment}s")
    runs = (*plain.values(), lost, saved)
    return RealEvidence(tuple(map(_row, runs)), _judged(plain, lost, saved))


def _cuts(capture: Capture) -> list[dict[str, Any]]:
    rows = capture.result["timeline"]
    return [row for row in rows if row["command"] == "relay-cut"]


def _inside(capture: Capture) -> int:
    return int(capture.result["tap"]["pages_in_save_complete"])


def _row(capture: Capture) -> dict[str, Any]:
    result = capture.result
    outcome = result["outcome"]
    both = {side: result[f"query_migrate_{side}"]["status"] for side in ("source", "destination")}
    called = capture.ram_save_complete()
    return {
        "run": capture.name,
        "qemu": result["qemu"]["source"]["version"],
        "rule": result["rule"],
        "pages_in_save_complete": _inside(capture),
        "ram_save_complete": called[["dirty", "done"]].astype(int).to_dict("records"),
        "after_cut": outcome["after_cut"] if isinstance(outcome, dict) else None,
        "final": both,
        "guest_runs_on": [side for side, row in result["heartbeat"].items() if row["beating"]],
    }


def _judged(plain: dict[str, Capture], lost: Capture, saved: Capture) -> dict[str, bool]:
    """Say for each statement of the claim whether the runs bear it out."""
    before, after = plain["before"], plain["after"]
    outcomes = [capture.result["outcome"] for capture in (lost, saved)]
    states = [value if isinstance(value, dict) else {} for value in outcomes]
    return {
        "both migrations complete when nothing happens": all(
            capture.outcome == "completed" for capture in plain.values()
        ),
        "before: save_complete moves pages": _inside(before) > 0,
        "after: save_complete moves none": _inside(after) == 0,
        "after: the trace point ram_save_complete says dirty=0": (
            after.ram_save_complete()["dirty"].tolist() == [0, 0]
        ),
        "before: the cut came inside save_complete": all(
            row["inside_ram_save_complete"] for row in _cuts(lost)
        ),
        "before: a cut there leaves source failed, destination paused": (
            states[0] == {"after_cut": _LOST, "final": _LOST}
        ),
        "after: a cut at the same moment pauses both": (
            states[1].get("after_cut") == _BOTH_PAUSED
        ),
        "after: the migration is recovered and completes": (
            states[1].get("final") == _BOTH_COMPLETED
        ),
    }


def _pair_text(states: dict[str, str] | None) -> str:
    if states is None:
        return ""
    return f"{states['source']} / {states['destination']}"
