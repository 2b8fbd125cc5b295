"""The registry of what ships beside the package: where it is, and the checksum of every file."""

from __future__ import annotations

import hashlib
import os
import tomllib
from pathlib import Path
from typing import Any

from migkit.errors import DatasetError

__all__ = ["VARIABLE", "check_file", "root", "tables_of", "unreadable"]

VARIABLE = "MIGKIT_DATA"
"""Environment variable that names the folder of data sets."""

REGISTRY_FILE = "registry.toml"
_CHECKOUT = Path(__file__).resolve().parent.parent / "datasets"


def root() -> Path:
    """Find the folder of data sets.

    Returns
    -------
    Path
        The folder that ``MIGKIT_DATA`` names, or that of the checkout.

    Raises
    ------
    DatasetError
        If neither holds a registry.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named).expanduser() if named else _CHECKOUT
    if (folder / REGISTRY_FILE).is_file():
        return folder
    found = f"{VARIABLE} names {named}" if named else f"{VARIABLE} is not set"
    raise DatasetError.of(
        "data sets",
        f"no {REGISTRY_FILE} in {folder} ({found})",
        f"set {VARIABLE} to the folder datasets of a checkout, or work in a checkout",
    )


def unreadable(error: Exception) -> DatasetError:
    """Make the error for a registry that is damaged."""
    path = root() / REGISTRY_FILE
    return DatasetError.of(
        f"registry {path}", f"cannot be read: {error}", "restore the shipped file"
    )


def tables_of(kind: str) -> dict[str, Any]:
    """Read the registry's entries of one kind.

    Parameters
    ----------
    kind : str
        ``captures``, ``streams`` or ``traces``.

    Returns
    -------
    dict
        Name to what the registry says of it.

    Raises
    ------
    DatasetError
        If the registry is not found or damaged.
    """
    path = root() / REGISTRY_FILE
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))[kind]
        return dict(tables)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(error) from None


def check_file(path: Path, checksum: str) -> None:
    """Check a file against its registered checksum.

    Parameters
    ----------
    path : Path
        The file.
    checksum : str
        Its SHA-256 in hexadecimal digits.

    Raises
    ------
    DatasetError
        If it is missing or another one.
    """
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DatasetError.of(
            f"file {path}", f"cannot be read: {error.strerror}", "restore the shipped file"
        ) from None
    if found != checksum:
        raise DatasetError.of(
            f"file {path}",
            f"sha256 {found[:12]}…, registered {checksum[:12]}…",
            "restore the shipped file",
        )
