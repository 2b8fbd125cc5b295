"""The paper's figures as functions of runs, and how a figure is saved with its provenance."""

from __future__ import annotations

from migkit.figures.convergence import (
    after_the_switch,
    convergence,
    cost,
    rounds,
    twin_beside_recording,
    where_bytes_went,
)
from migkit.figures.parting import parting
from migkit.figures.rewrite import connection_cut, decision_map, pages_in_save_complete, tails
from migkit.figures.saving import SavedFigure, save

__all__ = [
    "SavedFigure",
    "after_the_switch",
    "connection_cut",
    "convergence",
    "cost",
    "decision_map",
    "pages_in_save_complete",
    "parting",
    "rounds",
    "save",
    "tails",
    "twin_beside_recording",
    "where_bytes_went",
]
