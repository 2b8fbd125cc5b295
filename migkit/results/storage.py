"""Migrations in files: Parquet or CSV tables that carry their units and where they come from.

A stored migration is a folder: ``migration.json`` with everything but the frames, and a table for
each of `migkit.schema.FRAMES`. In a Parquet file every field's metadata has ``unit``,
``meaning`` and ``qemu_source``, and the file's has ``migkit``, the provenance as JSON. In a CSV
file the first line is ``# `` and then one JSON object with ``columns`` and ``provenance``;
pandas reads it with ``comment="#"`` or ``skiprows=1``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from migkit.atomic import whole_folder
from migkit.errors import MigkitError, StorageError
from migkit.schema import FRAMES, Column

from .frames import as_schema
from .migration import Migration
from .sources import StoredSource

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["parquet", "csv"]

RECORD_FILE: Final = "migration.json"
_VERSION: Final = 1
_RECORD: Final = ("summary", "destination_summary", "counters", "provenance")
_FIX = "give a folder that to_parquet or to_csv wrote"


def store(migration: Migration, folder: Path, table_format: Format) -> None:
    """Write a migration into a folder, which appears whole or not at all.

    Parameters
    ----------
    migration : Migration
        What to store.
    folder : Path
        New, empty, or an earlier stored migration, which is replaced.
    table_format : {"parquet", "csv"}
        Format of the tables.

    Raises
    ------
    StorageError
        The folder holds something else, or cannot be written.
    """
    _check_free(folder)
    record = _record(migration, table_format)
    try:
        with whole_folder(folder) as part:
            for name, columns in FRAMES.items():
                frame = getattr(migration, name)
                write_table(frame, columns, record["provenance"], part / f"{name}.{table_format}")
            (part / RECORD_FILE).write_text(_json(record) + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError.of(
            f"store {migration.name} in {folder}",
            error.strerror or str(error),
            "name a folder that can be written",
        ) from error


def write_table(
    frame: pd.DataFrame, columns: tuple[Column, ...], provenance: Any, path: Path
) -> None:
    """Write one table, which carries its units and where it comes from.

    Parameters
    ----------
    frame : DataFrame
        With these columns.
    columns : tuple of Column
        Its schema.
    provenance : dict
        Plain values.
    path : Path
        Ends in ``.parquet`` or ``.csv``.
    """
    write = _write_csv if path.suffix == ".csv" else _write_parquet
    write(frame, columns, provenance, path)


def load(folder: Path) -> Migration:
    """Read a stored migration.

    Parameters
    ----------
    folder : Path
        What `store` wrote.

    Returns
    -------
    Migration
        Equal in frames, summary, scenario and provenance.

    Raises
    ------
    StorageError
        There is none, or a file of it is missing or damaged.
    """
    record = _read_record(folder)
    try:
        table_format = record["tables"]
        read = {"parquet": _read_parquet, "csv": _read_csv}[table_format]
        frames = {
            name: as_schema(read(folder / f"{name}.{table_format}"), columns)
            for name, columns in FRAMES.items()
        }
        return Migration(
            name=record["name"],
            kind=record["kind"],
            outcome=record["outcome"],
            destination_state=record["destination_state"],
            source=StoredSource(frames, record["clocks"]),
            record={key: record[key] for key in _RECORD},
            inputs=_scenario(record["scenario"]),
        )
    except MigkitError:
        raise
    # A damaged table may raise nearly anything out of pyarrow or pandas.
    except Exception as error:
        found = f"it is damaged: {type(error).__name__} {error}"
        raise StorageError.of(f"load {folder}", found, _FIX) from error


def _check_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StorageError.of(f"store in {folder}", "it is a file", "name a folder")
    if not folder.exists() or (folder / RECORD_FILE).is_file():
        return
    others = sorted(path.name for path in folder.iterdir())
    if others:
        raise StorageError.of(
            f"store in {folder}",
            f"it holds something else, such as {others[0]}",
            "name a new or empty folder",
        )


def _record(migration: Migration, table_format: Format) -> dict[str, Any]:
    scenario = migration.scenario
    return {
        "migkit_migration": _VERSION,
        "tables": table_format,
        "name": migration.name,
        "kind": migration.kind,
        "outcome": migration.outcome,
        "destination_state": migration.destination_state,
        **{key: getattr(migration, key) for key in _RECORD},
        "scenario": scenario.to_dict() if scenario is not None else None,
        "clocks": {
            side: {"form": log.form, "epoch_ns": log.epoch_ns}
            for side, log in migration.source.logs.items()
        },
    }


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"no readable {RECORD_FILE}: {error.strerror}"
        raise StorageError.of(f"load {folder}", reason, _FIX) from error
    except ValueError as error:
        raise StorageError.of(f"load {path}", f"not JSON: {error}", _FIX) from error
    version = record.get("migkit_migration") if isinstance(record, dict) else None
    if version != _VERSION:
        found = f"format {version}, this migkit reads {_VERSION}"
        raise StorageError.of(f"load {path}", found, _FIX)
    return dict(record)


def _scenario(values: dict[str, Any] | None) -> Any:
    if values is None:
        return None
    from migkit.scenario import Scenario

    return Scenario.from_dict(values)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def _write_parquet(
    frame: pd.DataFrame, columns: tuple[Column, ...], provenance: Any, path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = [
        table.schema.field(column.name).with_metadata(
            {"unit": column.unit, "meaning": column.meaning, "qemu_source": column.qemu_source}
        )
        for column in columns
    ]
    metadata = {**(table.schema.metadata or {}), b"migkit": json.dumps(provenance).encode()}
    pq.write_table(table.cast(pa.schema(fields, metadata=metadata)), path)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)


def _write_csv(
    frame: pd.DataFrame, columns: tuple[Column, ...], provenance: Any, path: Path
) -> None:
    told = {
        column.name: {
            "dtype": column.dtype,
            "unit": column.unit,
            "meaning": column.meaning,
            "qemu_source": column.qemu_source,
        }
        for column in columns
    }
    head = json.dumps({"columns": told, "provenance": provenance}, ensure_ascii=False)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {head}\n")
        frame.to_csv(file, index=False, lineterminator="\n")


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    with path.open(encoding="utf-8") as file:
        told = json.loads(file.readline().removeprefix("# "))["columns"]
        dtypes = {
            name: "str" if column["dtype"] == "category" else column["dtype"]
            for name, column in told.items()
        }
        # Only an empty field is unknown: a text may well read "NA" or "null".
        return pd.read_csv(file, dtype=dtypes, keep_default_na=False, na_values=[""])
