"""Put the fonts of an SVG into the file, so that its text stays text and looks alike anywhere.

Matplotlib names a font in an SVG and leaves it out; a viewer without it sets other letters. Only
the letters that occur are embedded.
"""

from __future__ import annotations

import base64
import html
import re
from io import BytesIO
from typing import Final

from fontTools import subset  # type: ignore[import-untyped]  # matplotlib brings it
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from matplotlib.font_manager import FontProperties, findfont

FAMILY: Final = "DejaVu Sans"
_TEXT: Final = re.compile(r"<text\b([^>]*)>(.*?)</text>", re.DOTALL)
_TAG: Final = re.compile(r"<[^>]+>")
_OPENING: Final = re.compile(r"(<svg\b[^>]*>)", re.DOTALL)


def embed_fonts(svg: bytes) -> bytes:
    """Return an SVG with the letters it uses embedded as fonts.

    Parameters
    ----------
    svg : bytes
        An SVG as Matplotlib writes it with ``svg.fonttype`` "none".

    Returns
    -------
    bytes
        The SVG with one ``@font-face`` for each weight in use; unchanged without text.
    """
    text = svg.decode("utf-8")
    faces = [_face(weight, letters) for weight, letters in sorted(_letters(text).items())]
    if not faces:
        return svg
    style = f"\n <style>{''.join(faces)}</style>"
    return _OPENING.sub(lambda match: match[1] + style, text, count=1).encode()


def _letters(text: str) -> dict[str, set[str]]:
    """Return the letters used in each weight."""
    letters: dict[str, set[str]] = {}
    for attributes, content in _TEXT.findall(text):
        weight = "bold" if re.search(r"\b(bold|700)\b", attributes) else "normal"
        letters.setdefault(weight, set()).update(html.unescape(_TAG.sub("", content)))
    return letters


def _face(weight: str, letters: set[str]) -> str:
    """Return the style rule that holds the given letters of one weight."""
    # Keep the date of the font's design: a date of today would change the bytes.
    font = TTFont(findfont(FontProperties(family=FAMILY, weight=weight)), recalcTimestamp=False)
    options = subset.Options(hinting=False, layout_features=[])
    options.drop_tables += ["FFTM", "GDEF", "GPOS", "GSUB"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(sorted(letters)))
    subsetter.subset(font)
    font.flavor = "woff"
    buffer = BytesIO()
    font.save(buffer)
    data = base64.b64encode(buffer.getvalue()).decode()
    source = f"url(data:font/woff;base64,{data}) format('woff')"
    return f"@font-face{{font-family:'{FAMILY}';font-weight:{weight};src:{source}}}"
