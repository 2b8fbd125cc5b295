"""The explorer: what a downtime limit and a bandwidth do to one migration, drawn as they move.

`model` is the logic and knows no widgets; `view` is loaded by `explore` only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from migkit.explorer.model import ExplorerModel
from migkit.explorer.settings import Settings

if TYPE_CHECKING:
    from migkit.explorer.view import Explorer

__all__ = ["ExplorerModel", "Settings", "explore"]


def explore(*, engine: str = "compiled", **settings: Any) -> Explorer:
    """Open the explorer in a notebook.

    Parameters
    ----------
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.
    **settings : Any
        What it starts with: fields of `Settings`.

    Returns
    -------
    Explorer
        A widget, shown when it is the last line of a cell; ``.model`` is its logic.

    Raises
    ------
    InputError
        A setting is not known or not valid.
    """
    from migkit.explorer.view import Explorer

    model = ExplorerModel(engine=engine)
    model.change(**settings)
    return Explorer(model)
