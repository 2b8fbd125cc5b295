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

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migkit import (
        channels,
        datasets,
        errors,
        figures,
        lab,
        live,
        plot,
        schema,
        style,
        tap,
        units,
        workloads,
    )
    from migkit.calibrate import calibrate
    from migkit.capture import read_capture, read_trace_log
    from migkit.compare import compare
    from migkit.errors import MigkitError
    from migkit.explorer import explore
    from migkit.guest import Guest, RamBlock
    from migkit.guest.accelerator import Accelerator
    from migkit.host import HostProfile
    from migkit.network import Link
    from migkit.parameters import MigrationParameters
    from migkit.parameters.capabilities import Capabilities
    from migkit.results import Migration
    from migkit.results.replicates import Replicates
    from migkit.scenario import Scenario
    from migkit.scenario.timeline import TimelineItem
    from migkit.simulate import simulate
    from migkit.stream import Stream, page_history, read_stream
    from migkit.validate import validate

__version__ = "0.1.0"

__all__ = [
    "Accelerator",
    "Capabilities",
    "Guest",
    "HostProfile",
    "Link",
    "MigkitError",
    "Migration",
    "MigrationParameters",
    "RamBlock",
    "Replicates",
    "Scenario",
    "Stream",
    "TimelineItem",
    "__version__",
    "calibrate",
    "channels",
    "compare",
    "datasets",
    "errors",
    "explore",
    "figures",
    "lab",
    "live",
    "page_history",
    "plot",
    "read_capture",
    "read_stream",
    "read_trace_log",
    "schema",
    "simulate",
    "style",
    "tap",
    "units",
    "validate",
    "workloads",
]

# Public name -> module that defines it. Names of __all__ that are missing here are modules.
_HOME = {
    "Accelerator": "guest.accelerator",
    "Capabilities": "parameters.capabilities",
    "Guest": "guest",
    "HostProfile": "host",
    "Link": "network",
    "MigkitError": "errors",
    "Migration": "results",
    "MigrationParameters": "parameters",
    "RamBlock": "guest",
    "Replicates": "results.replicates",
    "Scenario": "scenario",
    "Stream": "stream",
    "TimelineItem": "scenario.timeline",
    "calibrate": "calibrate",
    "compare": "compare",
    "explore": "explorer",
    "page_history": "stream",
    "read_capture": "capture",
    "read_stream": "stream",
    "read_trace_log": "capture",
    "simulate": "simulate",
    "validate": "validate",
}


class _Package(ModuleType):
    """A package in which a public function outlives the import of the module of its name."""

    def __setattr__(self, name: str, value: object) -> None:
        """Bind a name; for ``migkit.simulate`` the function, not the module that holds it."""
        if isinstance(value, ModuleType) and _HOME.get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    if name in _HOME:
        value = getattr(import_module(f"migkit.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in __all__:
        return import_module(f"migkit.{name}")
    raise AttributeError(f"module 'migkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
