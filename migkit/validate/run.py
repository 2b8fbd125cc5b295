"""Compare captures with their twins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from migkit.capture import read_capture
from migkit.threads import in_order, thread_count
from migkit.validate.comparison import Comparison, Validation
from migkit.validate.folders import find_captures
from migkit.validate.observed import all_recordings, from_capture
from migkit.validate.twin import predict

#: Called before each capture with (position from 1, number of captures, name).
Progress = Callable[[int, int, str], None]


def validate(
    folders: Iterable[str | Path],
    engine: str = "compiled",
    progress: Progress | None = None,
    replicates: int = 0,
    threads: int = 1,
) -> Validation:
    """Predict every capture from its scenario alone and compare with what was recorded.

    Parameters
    ----------
    folders : iterable of str or Path
        Captures, or folders of captures.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.
    progress : callable, optional
        Told of each capture before it is waited for.
    replicates : int
        How many further runs with the host's noise give 90 % intervals; 0 gives none.
    threads : int
        How many captures are worked on at once; the compiled engine's do not wait for each other.

    Returns
    -------
    Validation
        A comparison for every capture and the sums over them.

    Raises
    ------
    CaptureError
        If a folder is not and does not hold a capture, or a file of one cannot be read.
    """
    captures = find_captures(folders)

    def work(folder: Path) -> Comparison:
        return compare_capture(folder, engine, replicates)

    comparisons = []
    at_once = 1 if engine == "oracle" else thread_count(threads)
    with closing(in_order(work, captures, at_once)) as found:
        for position, folder in enumerate(captures, start=1):
            if progress is not None:
                progress(position, len(captures), folder.name)
            comparisons.append(next(found))
    return Validation(tuple(comparisons))


def compare_capture(
    folder: str | Path, engine: str = "compiled", replicates: int = 0
) -> Comparison:
    """Compare one capture with its twin.

    Parameters
    ----------
    folder : str or Path
        The capture.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.
    replicates : int
        As for `validate`.

    Returns
    -------
    Comparison
        Both sides.
    """
    folder = Path(folder)
    capture = read_capture(folder)
    return Comparison(
        name=folder.resolve().name,
        real=from_capture(capture),
        recordings=all_recordings(capture),
        prediction=predict(folder, engine, replicates),
    )
