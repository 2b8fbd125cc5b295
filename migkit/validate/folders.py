"""Find captures: a folder that is one, or a folder that holds some."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from migkit.errors import CaptureError

SCENARIO_FILE = "scenario.json"


def find_captures(folders: Iterable[str | Path]) -> list[Path]:
    """List the capture folders in what the user named, each once, in the order given.

    Parameters
    ----------
    folders : iterable of str or Path
        Each a capture (it has a ``scenario.json``) or a folder of captures.

    Returns
    -------
    list of Path
        Captures of a folder of folders come sorted by name.

    Raises
    ------
    CaptureError
        If a folder does not exist, or neither is nor holds a capture.
    """
    found: dict[Path, None] = {}
    for folder in map(Path, folders):
        found.update(dict.fromkeys(_captures_of(folder)))
    return list(found)


def _captures_of(folder: Path) -> list[Path]:
    if not folder.exists():
        raise CaptureError.of(
            f"validate {folder}", "no such folder", "give a capture, or a folder of captures"
        )
    if not folder.is_dir():
        raise CaptureError.of(
            f"validate {folder}",
            f"a file; a capture is a folder with a {SCENARIO_FILE}",
            "give the folder",
        )
    if (folder / SCENARIO_FILE).is_file():
        return [folder]
    captures = sorted(path.parent for path in folder.glob(f"*/{SCENARIO_FILE}"))
    if not captures:
        raise CaptureError.of(
            f"validate {folder}",
            f"no {SCENARIO_FILE} in it or one level below it",
            "give a capture, or a folder of captures",
        )
    return captures
