"""The main job: evidence, notebooks, figures and the report, in one folder that appears whole."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migkit import datasets
from migkit.atomic import whole_folder
from migkit.errors import InputError, ReproduceError
from migkit.evidence import collect
from migkit.evidence.commit import commit_inputs
from migkit.provenance import file_sha256, provenance
from migkit.report import Picture, Report, report_dict, report_html
from migkit.validate import find_captures, validate

if TYPE_CHECKING:
    from nbclient import NotebookClient

REPORT_FILE = "report.json"
PAGE_FILE = "report.html"
_NOTEBOOK_SECONDS = 600
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NEEDED = ("nbclient", "nbformat", "ipykernel")

#: Told what is being done, in a few words.
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Inputs:
    """What a reproduction starts from.

    Attributes
    ----------
    captures : tuple of Path
        Recorded migrations.
    notebooks : tuple of Path
        Notebooks to execute, in order; empty to leave them out.
    """

    captures: tuple[Path, ...]
    notebooks: tuple[Path, ...]


def find_inputs(captures: Path | None = None, *, with_notebooks: bool = True) -> Inputs:
    """Find captures and notebooks, and refuse early what would fail late.

    Parameters
    ----------
    captures : Path, optional
        A folder of captures; the shipped selection by default.
    with_notebooks : bool
        Whether the notebooks are executed.

    Returns
    -------
    Inputs
        All of it exists.

    Raises
    ------
    InputError
        If the notebooks are not there, or what executes them is not installed.
    CaptureError, DatasetError
        If the captures are not there.
    """
    folders = datasets.capture_folders() if captures is None else find_captures([captures])
    notebooks = find_notebooks() if with_notebooks else ()
    return Inputs(captures=tuple(folders), notebooks=tuple(notebooks))


def find_notebooks() -> list[Path]:
    """List the notebooks of the checkout that this package runs from.

    Raises
    ------
    InputError
        If there is no checkout, or the packages that execute notebooks are missing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError.of(
            "execute the notebooks",
            f"not installed: {', '.join(missing)}",
            "pip install 'migkit[notebooks]', or leave them out with --without-notebooks",
        )
    folder = Path(__file__).resolve().parent.parent / "notebooks"
    found = sorted(folder.glob("[0-9]*.ipynb"))
    if not found:
        raise InputError.of(
            "execute the notebooks",
            f"no notebooks in {folder}",
            "run it from a checkout of the repository, or leave them out with --without-notebooks",
        )
    return found


def reproduce(
    inputs: Inputs, folder: Path, engine: str = "compiled", progress: Progress | None = None
) -> Report:
    """Make the evidence and put everything into one folder.

    Parameters
    ----------
    inputs : Inputs
        Captures and notebooks.
    folder : Path
        Where it goes. What is there is replaced once all is done, and untouched before.
    engine : {"compiled", "oracle"}
        Which implementation of the model runs.
    progress : callable, optional
        Told what is being done.

    Returns
    -------
    Report
        What was written.

    Raises
    ------
    ReproduceError
        If the evidence cannot be made, or a notebook fails.
    """
    tell = progress or (lambda text: None)
    with whole_folder(folder) as part:
        evidence = collect(inputs.captures, engine, tell)
        tell(f"the twin against {len(inputs.captures)} recordings")
        validation = validate(inputs.captures, engine)
        figures = part / "figures"
        figures.mkdir()
        for notebook in inputs.notebooks:
            tell(f"notebook {notebook.name}")
            run_notebook(notebook, part / "notebooks" / notebook.name, figures)
        tell("the report")
        report = Report(
            evidence=evidence,
            validation=validation,
            pictures=_pictures(figures),
            provenance=_provenance(inputs, engine),
            fitted=commit_inputs(),
        )
        _write(report, part)
    return report


def run_notebook(source: Path, target: Path, figures: Path) -> None:
    """Execute a notebook beside its source and keep the executed copy.

    Parameters
    ----------
    source : Path
        The notebook; it is not changed.
    target : Path
        Where the executed copy goes.
    figures : Path
        Where it saves its figures (environment variable ``MIGKIT_FIGURES``).

    Raises
    ------
    ReproduceError
        If a cell fails; the message ends with the error of the cell.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = nbformat.read(source, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_NOTEBOOK_SECONDS,
        resources={"metadata": {"path": str(source.parent)}},
    )
    try:
        _execute(client, {**os.environ, "MIGKIT_FIGURES": str(figures)})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        last_line = _COLOUR.sub("", str(error)).strip().splitlines()[-1]
        raise ReproduceError.of(
            f"execute {source.name}", last_line, "open it with make jupyter and run its cells"
        ) from error
    target.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, target)


def _execute(client: NotebookClient, environment: dict[str, str]) -> None:
    """Execute in a thread, so that Ctrl-C reaches us and not the client's own handler."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(client.execute, env=environment, stderr=subprocess.DEVNULL)
        try:
            running.result()
        except KeyboardInterrupt:
            if client.km is not None and client.km.provisioner is not None:
                asyncio.run(client.km.provisioner.kill())
            raise


def _provenance(inputs: Inputs, engine: str) -> dict[str, Any]:
    """Name the versions, and every input with the checksum of its file."""
    captures = {
        folder.name: f"scenario.json, sha256 {file_sha256(folder / 'scenario.json')}"
        for folder in inputs.captures
    }
    notebooks = {path.name: f"sha256 {file_sha256(path)}" for path in inputs.notebooks}
    return provenance(engine=engine, captures=captures, notebooks=notebooks)


def _pictures(figures: Path) -> list[Picture]:
    """List the saved figures in the order of their names, with the titles of the manifest."""
    manifest = figures / "manifest.json"
    if not manifest.is_file():
        return []
    entries: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["figures"]
    return [
        Picture(title=entry["title"], svg=figures / f"{stem}.svg")
        for stem, entry in sorted(entries.items())
    ]


def _write(report: Report, folder: Path) -> None:
    text = json.dumps(report_dict(report), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
    (folder / PAGE_FILE).write_text(report_html(report), encoding="utf-8")
