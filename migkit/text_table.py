"""Rows of text as columns that line up on a terminal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

__all__ = ["text_table"]

_GAP = "  "


def text_table(rows: Sequence[Mapping[str, str]], left: Collection[str] = ()) -> str:
    """Lay out rows under their column names.

    Parameters
    ----------
    rows : sequence of mapping of str to str
        All with the same names, in the same order; at least one.
    left : collection of str
        Names of the columns that line up on the left; the others do on the right.

    Returns
    -------
    str
        Lines without blanks at their ends.

    Examples
    --------
    >>> print(text_table([{"rule": "before", "dirty": "9627"}], left=["rule"]))
    rule    dirty
    before   9627
    """
    names = list(rows[0])
    titles = dict(zip(names, names, strict=True))
    widths = {name: max(len(row[name]) for row in (titles, *rows)) for name in names}
    return "\n".join(
        _GAP.join(
            row[name].ljust(widths[name]) if name in left else row[name].rjust(widths[name])
            for name in names
        ).rstrip()
        for row in (titles, *rows)
    )
