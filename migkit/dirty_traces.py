"""Page-accurate dirty traces of real guests: which page was sent in which round, and when.

They were recorded by a tap between two QEMUs, see ``datasets/README.md``. A page that is sent
again was written since; so a trace holds, for every round, the pages that the guest wrote.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from migkit.dataset_registry import check_file, root, tables_of
from migkit.errors import DatasetError, did_you_mean
from migkit.guest import Guest
from migkit.scenario import Scenario
from migkit.workloads.recorded import RecordedPages

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DirtyTrace", "dirty_trace_names", "load_dirty_trace"]


@dataclass(frozen=True, eq=False)
class DirtyTrace:
    """The history of every page of a guest's memory through one precopy migration.

    Attributes
    ----------
    name : str
        Of the data set.
    recorded : dict
        What was recorded: QEMU's version, guest, workload, parameters, the source's final
        ``query-migrate``.
    pages : DataFrame
        One row each time a page was sent, in order: ``page`` within the memory, ``round`` from 0,
        ``order``, ``zero`` (whether it was a zero page), and ``t_ns``, when its section passed
        the tap, nanoseconds after the stream's first byte; QEMU writes a section for each 50 ms,
        and under a rate limit one for each 100 ms.
    """

    name: str
    recorded: dict[str, Any]
    pages: pd.DataFrame

    @property
    def rounds(self) -> pd.DataFrame:
        """One row a round: ``begin_ns``, ``pages`` sent, and ``new_pages`` not in the one before.

        The first round sends every page once; from the second on ``pages`` are those that the
        guest wrote.
        """
        import pandas as pd

        rounds = self.pages.groupby("round", as_index=False)
        frame = rounds.agg(begin_ns=("t_ns", "min"), pages=("page", "size"))
        members = [set(of) for _, of in self.pages.groupby("round")["page"]]
        before = [set(), *members]
        new = [len(now - earlier) for now, earlier in zip(members, before, strict=False)]
        return frame.assign(new_pages=pd.Series(new, dtype="int64"))

    def workload(self) -> RecordedPages:
        """Make a workload of it, for `migkit.simulate`.

        A page that is sent in a round was dirty when the round began, and its bit had been clear
        after it was sent before; had it been dirty as the round before began, it would have been
        sent in that one. So it was written after the later of the two, and before its round
        began; the write is put in the middle. A page that was written several times in between
        counts once.

        Returns
        -------
        RecordedPages
            Pages within the memory.
        """
        pages = self.pages
        before = pages.groupby("page")["t_ns"].shift()
        again = before.notna().to_numpy()
        begins = pages.groupby("round")["t_ns"].min().to_numpy(np.int64)
        in_round = np.unique(pages["round"], return_inverse=True)[1][again]
        since = np.maximum(before.to_numpy()[again].astype(np.int64), begins[in_round - 1])
        until = np.maximum(begins[in_round], since)
        times = since + (until - since) // 2
        order = np.argsort(times, kind="stable")
        page = pages["page"].to_numpy(np.int64)[again]
        memory_pages = self.recorded["guest"]["memory_bytes"] // 4096
        return RecordedPages(t_ns=times[order], page=page[order], pages=memory_pages)

    def scenario(self) -> Scenario:
        """Make the scenario of the run it was recorded in, with its own writes.

        Returns
        -------
        Scenario
            Memory, data in it, parameters, commands, and `workload`.
        """
        migration = self.recorded["migration"]
        limit = migration["parameters"]["downtime-limit"]
        made = Scenario.build(
            name=self.name,
            memory=self.recorded["guest"]["memory_bytes"],
            bandwidth=migration["parameters"]["max-bandwidth"],
            downtime_limit=f"{limit}ms",
            rule=self.recorded["qemu"]["completion_rule"],
            workload=self.workload(),
            timeline=migration["timeline"],
        )
        first = self.pages[self.pages["round"] == 0]
        data = np.sort(first.loc[~first["zero"], "page"].to_numpy(np.int64))
        groups = np.split(data, np.flatnonzero(np.diff(data) != 1) + 1)
        extents = [(int(group[0]), len(group)) for group in groups if len(group)]
        guest = Guest.pc(self.recorded["guest"]["memory_bytes"], nonzero=extents)
        return dataclasses.replace(made, guest=guest)


def dirty_trace_names() -> list[str]:
    """Name the dirty traces that ship.

    Returns
    -------
    list of str
        In the order of the registry.

    Raises
    ------
    DatasetError
        If the data sets are not found.

    Examples
    --------
    >>> dirty_trace_names()
    ['hotcold', 'phases', 'sequential', 'uniform']
    """
    return list(tables_of("traces"))


def load_dirty_trace(name: str) -> DirtyTrace:
    """Read a dirty trace, and check every file of it.

    Parameters
    ----------
    name : str
        One of `dirty_trace_names`.

    Returns
    -------
    DirtyTrace
        Its pages, and what was recorded.

    Raises
    ------
    DatasetError
        If there is no such trace, or a file is missing or not the registered one.

    Examples
    --------
    >>> load_dirty_trace("uniform").recorded["workload"]["pattern"]
    'uniform'
    """
    import pandas as pd

    known = tables_of("traces")
    if name not in known:
        raise DatasetError.of(f"dirty trace {name}", "not registered", did_you_mean(name, known))
    folder: Path = root() / "traces" / name
    for file, checksum in known[name]["sha256"].items():
        check_file(folder / file, checksum)
    recorded = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    pages = pd.read_parquet(folder / "pages.parquet").astype({"page": "int64", "round": "int64"})
    pages.insert(2, "order", np.arange(len(pages)))
    return DirtyTrace(name=name, recorded=recorded, pages=pages)
