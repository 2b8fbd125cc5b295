"""Where results go: JSON, stored tables, or text; checked before the work, written in one step."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.atomic import whole_folder, write_text
from migkit.cli import show
from migkit.cli.options import STANDARD_OUTPUT
from migkit.errors import InputError

if TYPE_CHECKING:
    from migkit.evidence.stamp import TraceStamp
    from migkit.results import Migration

#: Every stored migration has this file, see `migkit.results.storage`.
RECORD_FILE = "migration.json"
TRACE_FILE = "source.trace.log"


def check_file(path: Path | None, option: str) -> None:
    """Refuse a file that cannot be written, before any work starts.

    Parameters
    ----------
    path : Path or None
        The file; None and the standard output stream are always fine.
    option : str
        The option it came from, for the message.

    Raises
    ------
    InputError
        If it is a folder, or its folder does not exist or is not writable.
    """
    if path is None or path == STANDARD_OUTPUT:
        return
    if path.is_dir():
        raise InputError.of(f"{option} {path}", "is a folder", "name a file")
    if not path.parent.is_dir():
        raise InputError.of(f"{option} {path}", f"no folder {path.parent}", "make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError.of(
            f"{option} {path}", f"no right to write in {path.parent}", "choose another folder"
        )


def check_folder(path: Path | None, mark: str, option: str = "--out") -> None:
    """Refuse a folder that is not ours to replace, before any work starts.

    Parameters
    ----------
    path : Path or None
        The folder to be written; it may be absent, empty, or an earlier result.
    mark : str
        A file that every earlier result has.
    option : str
        The option it came from, for the message.

    Raises
    ------
    InputError
        If it holds anything else, or cannot be made where it is.
    """
    if path is None:
        return
    if path.exists() and not path.is_dir():
        raise InputError.of(f"{option} {path}", "is a file", "name a folder")
    if path.is_dir() and any(path.iterdir()) and not (path / mark).is_file():
        raise InputError.of(
            f"{option} {path}",
            f"holds something else (no {mark} in it)",
            "name a new or an empty folder",
        )
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise InputError.of(f"{option} {path}", f"{above} is a file", "choose another folder")
    if not os.access(above, os.W_OK):
        raise InputError.of(
            f"{option} {path}", f"no right to write in {above}", "choose another folder"
        )


def check_results(arguments: argparse.Namespace) -> None:
    """Refuse results of a migration that cannot be delivered, before any work starts.

    Parameters
    ----------
    arguments : argparse.Namespace
        With the options of `options.add_json` and `options.add_tables`.

    Raises
    ------
    InputError
        If a place cannot be written, or two results go to the standard output stream.
    """
    check_file(arguments.json, "--json")
    check_folder(arguments.out, RECORD_FILE)
    if arguments.json == STANDARD_OUTPUT and arguments.trace:
        raise InputError.of(
            f"--json with --trace {arguments.trace}",
            "both are printed",
            "give --json a FILE, or leave one out",
        )


def write_json(value: Any, path: Path) -> None:
    """Print JSON, or write it to a file in one step.

    Parameters
    ----------
    value : object
        What to write; plain Python values.
    path : Path
        The file, or `STANDARD_OUTPUT`.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    if path == STANDARD_OUTPUT:
        print(text)
        return
    write_text(path, text + "\n")


def deliver(
    migration: Migration, arguments: argparse.Namespace, stamp: TraceStamp | None = None
) -> None:
    """Store and print a migration as the options say.

    Parameters
    ----------
    migration : Migration
        Simulated or recorded.
    arguments : argparse.Namespace
        With ``json``, ``out``, ``format`` and ``trace``.
    stamp : TraceStamp, optional
        Process id and start of the printed log; made up, or that of the recording, if left out.
    """
    if arguments.out is not None:
        store(migration, arguments.out, arguments.format)
    if arguments.json is not None:
        write_json(show.to_dict(migration), arguments.json)
    if arguments.json == STANDARD_OUTPUT:
        return
    if arguments.trace:
        clock: dict[str, Any] = {} if stamp is None else vars(stamp)
        sys.stdout.write(migration.to_trace_log(form=arguments.trace, **clock))
    else:
        print(show.report(migration))


def store(migration: Migration, folder: Path, table_format: str) -> None:
    """Store tables, summary and trace log of a migration; the folder appears whole or not at all.

    Parameters
    ----------
    migration : Migration
        What to store.
    folder : Path
        The folder; an earlier result in it is replaced.
    table_format : {"parquet", "csv"}
        Format of the tables.
    """
    with whole_folder(folder) as part:
        getattr(migration, f"to_{table_format}")(part)
        write_text(part / TRACE_FILE, migration.to_trace_log())
