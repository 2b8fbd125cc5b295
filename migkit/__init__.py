"""Research toolkit for QEMU live migration: simulate, read real runs, compare, draw.

The public names are loaded when they are first used, so that ``import migkit`` stays quick
and needs neither a plotting library nor a data-frame library.

Examples
--------
>>> import migkit
>>> migkit.__version__
'0.1.0'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> module that defines it.
_HOME: dict[str, str] = {}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Load a public name, or a module of the package, at its first use."""
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'migkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})
