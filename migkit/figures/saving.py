"""Save a figure as PDF, SVG and PNG, with where it came from inside each file.

The same figure and provenance give the same bytes on every run: no dates, fixed identifiers, and
a font that comes with Matplotlib.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from migkit.errors import StorageError
from migkit.figures.svg_fonts import embed_fonts
from migkit.style import paper

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MANIFEST: Final = "manifest.json"
FORMATS: Final = ("pdf", "svg", "png")


@dataclass(frozen=True)
class SavedFigure:
    """The files of one figure.

    Attributes
    ----------
    stem : str
        Name of the figure, without folder and ending.
    paths : dict of str to Path
        Format ("pdf", "svg", "png") to file.
    sha256 : dict of str to str
        File name to the SHA-256 of its content, in hexadecimal.
    """

    stem: str
    paths: dict[str, Path]
    sha256: dict[str, str]


def save(
    figure: Figure, stem: str | Path, *, provenance: Mapping[str, Any], title: str = ""
) -> SavedFigure:
    """Write a figure as PDF, SVG and PNG and enter it into ``manifest.json`` beside them.

    Parameters
    ----------
    figure : Figure
        What to write; its size is its size in print.
    stem : str or Path
        Folder and name without an ending; the folder is made when it is not there.
    provenance : mapping
        Where the figure came from; anything JSON can hold. It goes into the metadata of each
        file (PDF Keywords, SVG Description, PNG Provenance) and into the manifest.
    title : str
        Title in the metadata; the name by default.

    Returns
    -------
    SavedFigure
        The files with their checksums.

    Raises
    ------
    StorageError
        The folder cannot be written, or its manifest is not one. No file is left half-written.
    """
    base = Path(stem)
    record = json.dumps(provenance, sort_keys=True, default=str)
    contents = {
        base.with_name(f"{base.name}.{form}"): _rendered(figure, form, title or base.name, record)
        for form in FORMATS
    }
    sums = {path.name: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    entry = {"title": title or base.name, "sha256": sums, "provenance": json.loads(record)}
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        contents[base.parent / MANIFEST] = _manifest_with(base.parent / MANIFEST, base.name, entry)
        _write_all(contents)
    except OSError as error:
        raise StorageError.of(
            f"save figure {base}", error.strerror or str(error), "choose a folder you can write"
        ) from error
    paths = {form: base.with_name(f"{base.name}.{form}") for form in FORMATS}
    return SavedFigure(base.name, paths, sums)


def _rendered(figure: Figure, form: str, title: str, record: str) -> bytes:
    """Return the bytes of a figure in one format, with its provenance as metadata."""
    metadata: dict[str, dict[str, str | None]] = {
        "pdf": {"Title": title, "Subject": "migkit figure", "Keywords": record},
        "svg": {"Title": title, "Description": record, "Date": None},
        "png": {"Title": title, "Provenance": record},
    }
    metadata["pdf"]["CreationDate"] = None
    buffer = BytesIO()
    with paper():
        figure.savefig(buffer, format=form, metadata=metadata[form])
    content = buffer.getvalue()
    return embed_fonts(content) if form == "svg" else content


def _manifest_with(path: Path, name: str, entry: dict[str, Any]) -> bytes:
    """Return the manifest with one figure entered; other figures stay as they are."""
    figures: dict[str, Any] = {}
    if path.exists():
        try:
            figures = dict(json.loads(path.read_text(encoding="utf-8"))["figures"])
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError.of(
                f"read {path}", "not a manifest of figures", "remove it or choose another folder"
            ) from error
    figures[name] = entry
    text = json.dumps({"figures": figures}, indent=1, sort_keys=True) + "\n"
    return text.encode()


def _write_all(contents: Mapping[Path, bytes]) -> None:
    """Write every file under a temporary name first, then put all of them in place."""
    waiting: list[tuple[str, Path]] = []
    try:
        for path, content in contents.items():
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                waiting.append((file.name, path))
                file.write(content)
            os.chmod(file.name, 0o644)
        for temporary, path in waiting:
            os.replace(temporary, path)
    finally:
        for temporary, _path in waiting:
            Path(temporary).unlink(missing_ok=True)
