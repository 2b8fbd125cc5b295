"""The result of a calibration: every constant with its evidence, and the profile they make."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.atomic import write_text
from migkit.errors import HostProfileError
from migkit.host import HostProfile
from migkit.text_table import text_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Calibration", "FittedConstant"]


@dataclass(frozen=True)
class FittedConstant:
    """One constant of the host profile and what it rests on.

    Attributes
    ----------
    name : str
        Field of `migkit.host.HostProfile`; its unit is in the name.
    value, base : int
        Fitted value; value of the profile the fit began with.
    low, high : int or None
        90 % bootstrap interval over captures and observations, widened by the log's microsecond;
        None without evidence.
    observations : int
        How many spans of the logs show it.
    captures : tuple of str
        Where they are from.
    note : str
        Why the value is the base's, or limited; empty otherwise.
    """

    name: str
    value: int
    base: int
    low: int | None = None
    high: int | None = None
    observations: int = 0
    captures: tuple[str, ...] = ()
    note: str = ""

    @property
    def fitted(self) -> bool:
        """Whether the captures show this constant."""
        return self.observations > 0


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """A host profile fitted on captures.

    Attributes
    ----------
    profile : HostProfile
        The fitted profile.
    constants : tuple of FittedConstant
        One for each cost, fitted or kept.
    unexplained : dict of str to str
        Captures whose twin with this profile is off, and by what.
    not_simulated : dict of str to tuple of str
        Captures that use capabilities the engine does not model: neither fitted nor checked.
    """

    profile: HostProfile
    constants: tuple[FittedConstant, ...]
    unexplained: Mapping[str, str]
    not_simulated: Mapping[str, tuple[str, ...]]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each constant.

        ``value``, ``base``, ``low``, ``high`` are whole numbers in the unit of the name;
        ``captures`` is their number.
        """
        import pandas as pd

        rows = [{**asdict(item), "captures": len(item.captures)} for item in self.constants]
        return pd.DataFrame(rows).astype({"low": "Int64", "high": "Int64"})

    def save(self, path: str | Path) -> Path:
        """Write the profile as JSON, in one step; `HostProfile.load` reads it.

        Parameters
        ----------
        path : str or Path
            The file; its name ends in ``.json``.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        HostProfileError
            If the name does not end in ``.json``, or its folder does not exist.
        """
        file = Path(path)
        if file.suffix != ".json" or not file.parent.is_dir():
            raise HostProfileError.of(
                f"save host profile {path}", "not a .json file in a folder", "name such a file"
            )
        write_text(file, json.dumps(self.profile.to_dict(), indent=2) + "\n")
        return file

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "constants": [
                {**asdict(item), "captures": list(item.captures)} for item in self.constants
            ],
            "unexplained": dict(self.unexplained),
            "not_simulated": {name: list(why) for name, why in self.not_simulated.items()},
            "profile": self.profile.to_dict(),
        }

    def _rows(self) -> list[dict[str, str]]:
        return [
            {
                "constant": item.name,
                "value": str(item.value),
                "90 % interval": f"{item.low} … {item.high}" if item.fitted else "-",
                "base": str(item.base),
                "seen": str(item.observations),
                "captures": str(len(item.captures)),
                "note": item.note,
            }
            for item in self.constants
        ]

    def _remarks(self) -> list[str]:
        fitted = sum(item.fitted for item in self.constants)
        remarks = [
            f"{fitted} of {len(self.constants)} constants fitted on "
            f"{len(self.profile.fitted_on)} captures; the others keep the base's value"
        ]
        remarks += [f"unexplained    {name}: {why}" for name, why in self.unexplained.items()]
        remarks += [
            f"not simulated  {name}: {', '.join(why)}" for name, why in self.not_simulated.items()
        ]
        return remarks

    def __str__(self) -> str:
        """Return the table of constants and what cannot be explained."""
        return "\n".join(
            [text_table(self._rows(), left=["constant", "note"]), "", *self._remarks()]
        )

    def __repr__(self) -> str:
        """Return the same as `str`."""
        return str(self)

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        names = "".join(f"<th>{html.escape(name)}</th>" for name in self._rows()[0])
        lines = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.values()) + "</tr>"
            for row in self._rows()
        )
        remarks = "<br>".join(map(html.escape, self._remarks()))
        return (
            f"<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table><p>{remarks}</p>"
        )
