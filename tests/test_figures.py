"""Figures are saved whole, alike on every run, with their text and provenance inside."""

import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from migkit import figures, style
from migkit.errors import StorageError

PROVENANCE = {"seed": 1, "inputs": {"capture": "précopie"}}


def small_figure(title: str = "bytes ≤ 1 MiB") -> Figure:
    with style.paper():
        figure = Figure(figsize=style.size("single-column", 4))
        ax = figure.subplots()
        ax.plot([0, 1, 2], [2, 0, 1])
        ax.fill_between([0, 1], [1, 1], hatch="////")
        ax.set_title(title)
        ax.set_xlabel("time (s)")
    return figure


def saved(folder: Path, stem: str = "one") -> figures.SavedFigure:
    return figures.save(
        small_figure(), folder / stem, provenance=PROVENANCE, title="Bytes over time"
    )


def pdf_text(path: Path) -> bytes:
    """Return a PDF's bytes with its compressed streams appended."""
    raw = path.read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", raw, re.DOTALL)
    return raw + b"".join(
        zlib.decompressobj().decompress(part) for part in streams if part[:1] == b"x"
    )


def test_all_three_formats_are_written(tmp_path: Path) -> None:
    result = saved(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "manifest.json", "one.pdf", "one.png", "one.svg",
    ]  # fmt: skip
    assert result.paths["pdf"].read_bytes().startswith(b"%PDF")


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "a"), saved(tmp_path / "b")
    assert first.sha256 == second.sha256
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in "ab"]
    assert manifests[0] == manifests[1]


def test_the_manifest_holds_checksums_and_provenance_of_every_figure(tmp_path: Path) -> None:
    saved(tmp_path, "one")
    saved(tmp_path, "two")
    entries: dict[str, Any] = json.loads((tmp_path / "manifest.json").read_text())["figures"]
    assert set(entries) == {"one", "two"}
    for entry in entries.values():
        assert entry["provenance"] == PROVENANCE
        for name, digest in entry["sha256"].items():
            assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_the_pdf_embeds_its_font_and_carries_provenance(tmp_path: Path) -> None:
    text = pdf_text(saved(tmp_path).paths["pdf"])
    assert b"/FontFile2" in text
    assert b"/Type3" not in text
    assert b"CreationDate" not in text
    assert b"Bytes over time" in text
    assert b"/Keywords" in text


def test_the_svg_keeps_its_text_and_holds_its_font(tmp_path: Path) -> None:
    text = saved(tmp_path).paths["svg"].read_text()
    assert "time (s)</text>" in text
    assert text.count("@font-face") == 2  # the title is bold
    assert "font/woff;base64," in text
    assert "<dc:title>Bytes over time</dc:title>" in text
    assert "dc:date" not in text
    assert "capture" in re.findall(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL)[0]


def test_the_png_carries_provenance_and_has_print_resolution(tmp_path: Path) -> None:
    with Image.open(saved(tmp_path).paths["png"]) as image:
        assert json.loads(image.info["Provenance"]) == PROVENANCE
        assert image.width == pytest.approx(8.5 / 2.54 * 300, abs=1)


def test_a_figure_keeps_its_size_in_print(tmp_path: Path) -> None:
    text = saved(tmp_path).paths["svg"].read_text()
    width_pt = float(re.findall(r'<svg[^>]* width="([\d.]+)pt"', text)[0])
    assert width_pt / 72 * 2.54 == pytest.approx(8.5, abs=0.01)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match=r"save figure .*taken/one · .* · choose a folder"):
        saved(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_foreign_manifest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a web app"}')
    with pytest.raises(StorageError, match="not a manifest of figures"):
        saved(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_an_svg_without_text_is_unchanged() -> None:
    from migkit.figures.svg_fonts import embed_fonts

    svg = b'<?xml version="1.0"?><svg width="1pt"><path d="M 0 0"/></svg>'
    assert embed_fonts(svg) == svg


def test_a_letter_is_embedded_once_it_is_used(tmp_path: Path) -> None:
    few, many = (
        figures.save(small_figure(title), tmp_path / name, provenance={}).paths["svg"]
        for name, title in (("few", "aaa"), ("many", "abcdefghijklmnopq"))
    )
    sizes = [len(path.read_text()) for path in (few, many)]
    assert sizes[1] > sizes[0] + 500
