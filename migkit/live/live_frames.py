"""Frames of a migration while it is received."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .requests import Requests

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LiveFrames", "Progress", "progress_frame", "request_columns"]


class Progress(NamedTuple):
    """Where a migration is.

    Attributes
    ----------
    state : str
        Of the destination.
    bytes : int
        That came.
    pages, missing : int
        That are there, and that are not.
    rounds : int
        Sweeps of the main channel.
    requests : int
        That were sent.
    """

    state: str
    bytes: int
    pages: int
    missing: int
    rounds: int
    requests: int


@dataclass(frozen=True, eq=False)
class LiveFrames:
    """What is known at a moment; frames like those of a `Reception`.

    Attributes
    ----------
    progress : DataFrame
        One row a half second: ``t_s`` since the receiver runs, and the fields of `Progress`; the
        last row is this moment's.
    rounds : DataFrame
        `migkit.schema.STREAM_ROUNDS`, of the main and the preempt channel; the last one is open.
        Pages of multifd channels are told at the end.
    requests : DataFrame
        Pages that were asked for and came, as `Reception.requests`.
    """

    progress: pd.DataFrame
    rounds: pd.DataFrame
    requests: pd.DataFrame

    def _repr_html_(self) -> str:
        """Show the last moments."""
        return str(self.progress.tail(5).to_html(index=False))


def progress_frame(samples: list[tuple[float, Progress]]) -> pd.DataFrame:
    """Make a frame of samples, seconds and where it was."""
    import pandas as pd

    rows = [(t, *where) for t, where in samples]
    return pd.DataFrame(rows, columns=["t_s", *Progress._fields])


def request_columns(requests: Requests | None) -> dict[str, list[Any]]:
    """Return the columns of requests, empty before postcopy."""
    if requests is None:
        return {"t_s": [], "page": [], "latency_us": []}
    return requests.columns()
