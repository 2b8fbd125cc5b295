"""What the benchmark ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from migkit.provenance import provenance

__all__ = ["machine"]


def machine() -> dict[str, Any]:
    """Describe processor, system, versions, and how busy the machine is.

    Returns
    -------
    dict
        ``load_average`` is the mean number of runnable programs in the last minute, None where
        the system does not tell; the other values are plain as well.
    """
    record = provenance()
    return {
        "processor": _processor(),
        "architecture": record["machine"],
        "cores": os.cpu_count(),
        "system": platform.system(),
        "software": record["software"],
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else "unknown"
