"""Where a result comes from: the versions of what made it, as a small JSON-ready record."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

__all__ = ["file_sha256", "provenance"]

_PACKAGES: Final = ("migkit", "numpy", "pandas", "pyarrow")


def provenance(**facts: Any) -> dict[str, Any]:
    """Return the record of a result made here; the same work gives the same record.

    Parameters
    ----------
    **facts
        What else belongs to the result, such as ``engine``, ``seed`` and ``inputs``: plain
        values that JSON has.

    Returns
    -------
    dict
        Versions of the packages and of Python, the processor's kind, then the facts. It holds
        no time of day, so that equal runs are equal to the byte.

    Examples
    --------
    >>> record = provenance(seed=7)
    >>> record["software"]["migkit"], record["seed"]
    ('0.1.0', 7)
    """
    software = {name: _version(name) for name in _PACKAGES}
    software["python"] = platform.python_version()
    return {"software": software, "machine": platform.machine(), **facts}


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
