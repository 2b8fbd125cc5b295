"""Fit a host profile on captures: one constant after the other, each from the log's own steps.

In one direction: `pages`, `spans`, `capability_spans` and `destination_spans` read what a log
shows, `evidence` collects it, `fit` moves the constants until the twins' logs show the same,
`uncertainty` and `constant` say how sure they are, `scatter` makes the noise, `explanation`
checks every capture, `agreement` sums up, `run` does all this, `calibration` and `report` hold and
show it.
"""

from __future__ import annotations

from migkit.calibrate.calibration import Calibration
from migkit.calibrate.constant import FittedConstant
from migkit.calibrate.run import calibrate

__all__ = ["Calibration", "FittedConstant", "calibrate"]
