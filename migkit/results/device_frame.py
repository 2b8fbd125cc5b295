"""The downtime device by device, both sides beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migkit.schema import Column

from .frames import UNKNOWN, typed_frame

if TYPE_CHECKING:
    import pandas as pd

    from .access import Frames

_SIDES = {"save_us": "vmstate_downtime_save", "load_us": "vmstate_downtime_load"}
_TRACE = "trace vmstate_downtime_*"
_COLUMNS = (
    Column("type", "str", "", "iterable or non-iterable", _TRACE),
    Column("idstr", "str", "", "its name in the stream", _TRACE),
    Column("instance_id", "Int64", "", "tells devices of one name apart", _TRACE),
    Column("save_us", "Int64", "us", "what the source took for it", _TRACE),
    Column("load_us", "Int64", "us", "what the destination took, waiting included", _TRACE),
)
_KEYS = [column.name for column in _COLUMNS[:3]]


def device_frame(migration: Frames) -> pd.DataFrame:
    """Lay the devices of both sides beside each other.

    Parameters
    ----------
    migration : Frames
        Simulated or recorded.

    Returns
    -------
    DataFrame
        A row for each device, in the source's order, then those that only the destination has.
    """
    took: dict[tuple[str, str, int], dict[str, int]] = {}
    for side, event in _SIDES.items():
        rows = migration.events_of(event)
        keys = zip(*(rows[name].tolist() for name in _KEYS), strict=True)
        for key, micros in zip(keys, rows["downtime"].tolist(), strict=True):
            took.setdefault(key, {})[side] = micros
    values = {name: [key[place] for key in took] for place, name in enumerate(_KEYS)}
    told = {side: [row.get(side, UNKNOWN) for row in took.values()] for side in _SIDES}
    return typed_frame({**values, **told}, _COLUMNS)
