"""Fit a host profile on captures: one constant after the other, each from the log's own steps.

In one direction: `pages` and `spans` read what a log shows, `fit` moves the constants until the
twins' logs show the same, `run` checks the result, `calibration` holds it.
"""

from __future__ import annotations

from migkit.calibrate.calibration import Calibration, FittedConstant
from migkit.calibrate.run import calibrate

__all__ = ["Calibration", "FittedConstant", "calibrate"]
