"""Files and folders that appear whole or not at all, also when the work is interrupted."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["scratch_folder", "whole_folder", "write_text"]


def write_text(path: Path, text: str) -> None:
    """Write a file in one step.

    Parameters
    ----------
    path : Path
        The file; an earlier one is replaced.
    text : str
        All of its text.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to work in, which takes its place once the block has ended well.

    Parameters
    ----------
    folder : Path
        The place. An earlier folder there is untouched until then, and removed after that.

    Yields
    ------
    Path
        An empty folder beside it; after an error nothing of it is left.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    new, old = work / "new", work / "old"
    try:
        new.mkdir()
        yield new
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    finally:
        if old.exists() and not folder.exists():  # interrupted between the two moves
            os.replace(old, folder)
        _remove(work)


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Give a folder for what is needed for a while; nothing of it is left, whatever happens.

    Parameters
    ----------
    prefix : str
        Of its name.

    Yields
    ------
    Path
        An empty folder, where the system keeps such.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, also if an interruption comes meanwhile."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
