"""The result of a calibration: every number with its evidence, and the profile they make."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit.atomic import write_text
from migkit.calibrate.agreement import closer, sums
from migkit.calibrate.constant import FittedConstant
from migkit.calibrate.explanation import CaptureFit
from migkit.calibrate.report import report_html, report_text
from migkit.calibrate.scatter import FittedScatter
from migkit.errors import HostProfileError
from migkit.host import HostProfile

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Calibration"]


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """A host profile fitted on captures.

    Attributes
    ----------
    profile : HostProfile
        The fitted profile.
    constants : tuple of FittedConstant
        One for each number of the profile: fitted, not identified or given.
    scatter : tuple of FittedScatter
        One for each list of the profile's noise.
    captures : tuple of CaptureFit
        Each capture beside its twins with this profile and with the one that ships.
    shipped : HostProfile
        The profile that ships.
    """

    profile: HostProfile
    constants: tuple[FittedConstant, ...]
    scatter: tuple[FittedScatter, ...]
    captures: tuple[CaptureFit, ...]
    shipped: HostProfile

    @cached_property
    def unexplained(self) -> Mapping[str, str]:
        """Captures whose twin with this profile is off, and by what."""
        return {
            item.name: str(item.fitted)
            for item in self.captures
            if item.fitted is not None and not item.fitted.explained
        }

    @cached_property
    def not_simulated(self) -> Mapping[str, tuple[str, ...]]:
        """Captures that use capabilities the engine does not model."""
        return {item.name: item.not_simulated for item in self.captures if item.not_simulated}

    @cached_property
    def not_identified(self) -> tuple[str, ...]:
        """Names of what the captures do not show: costs and lists of the noise."""
        return tuple(item.name for item in self.kept("not identified"))

    def kept(self, status: str) -> list[FittedConstant | FittedScatter]:
        """Return the costs and the lists of noise that have a status."""
        everything: tuple[FittedConstant | FittedScatter, ...] = (*self.constants, *self.scatter)
        return [item for item in everything if item.status == status]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The sums over all captures: of the fitted profile, of the shipped one, who is closer."""
        fitted, shipped = sums(self.captures, "fitted"), sums(self.captures, "shipped")
        return {"fitted": fitted, "shipped": shipped, "closer": closer(fitted, shipped)}

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row for each constant.

        Values, median, quartiles, error and interval are whole numbers in the unit of the name
        (NA for a list of numbers, or without evidence); ``captures`` is their number.
        """
        import pandas as pd

        rows = [{**asdict(item), "captures": len(item.captures)} for item in self.constants]
        for row in rows:
            row |= {k: None for k in ("value", "base") if isinstance(row[k], tuple)}
        whole = ("value", "base", "median", "quartile_low", "quartile_high", "standard_error")
        return pd.DataFrame(rows).astype(dict.fromkeys((*whole, "low", "high"), "Int64"))

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
        entries = {
            name: [{**asdict(item), "captures": list(item.captures)} for item in items]
            for name, items in (("constants", self.constants), ("scatter", self.scatter))
        }
        return {
            **entries,
            "not_identified": list(self.not_identified),
            "captures": [item.to_dict() for item in self.captures],
            "summary": self.summary,
            "unexplained": dict(self.unexplained),
            "not_simulated": {name: list(why) for name, why in self.not_simulated.items()},
            "profile": self.profile.to_dict(),
        }

    def __str__(self) -> str:
        """Return the tables of numbers and of captures, and what cannot be explained."""
        return report_text(self)

    def __repr__(self) -> str:
        """Return the same as `str`."""
        return str(self)

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        return report_html(self)
