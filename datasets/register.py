"""Rewrite ``registry.toml`` from captures, streams and traces on disk: run it after one was added.

Texts of captures that are registered already are kept; a new one gets an empty ``about``.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
REGISTRY = HERE / "registry.toml"
HEAD = """\
# Checksums of every file of every capture, stream and trace. Measured data, free to ship: see
# README.md. Written by register.py, but for the texts.
"""


def entry(folder: Path, about: str) -> str:
    """Write the entry of one capture."""
    qemu = json.loads((folder / "scenario.json").read_text(encoding="utf-8"))["qemu"]
    lines = [
        f"[captures.{json.dumps(folder.name)}]",
        f"about = {json.dumps(about, ensure_ascii=False)}",
        f"qemu_version = {json.dumps(qemu['version'])}",
        f"completion_rule = {json.dumps(qemu['completion_rule'])}",
        "",
        *checksums("captures", folder),
    ]
    return "\n".join(lines) + "\n"


def stream_entry(folder: Path) -> str:
    """Write the entry of one stream."""
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    lines = [
        f"[streams.{json.dumps(folder.name)}]",
        f"about = {json.dumps(expected['kind'])}",
        f"qemu_version = {json.dumps(expected['qemu'])}",
        "",
        *checksums("streams", folder),
    ]
    return "\n".join(lines) + "\n"


def trace_entry(folder: Path) -> str:
    """Write the entry of one dirty trace."""
    recorded = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    lines = [
        f"[traces.{json.dumps(folder.name)}]",
        f"about = {json.dumps(recorded['about'])}",
        f"qemu_version = {json.dumps(recorded['qemu']['version'])}",
        "",
        *checksums("traces", folder),
    ]
    return "\n".join(lines) + "\n"


def checksums(table: str, folder: Path) -> list[str]:
    """Write the checksum of every file of a folder."""
    lines = [f"[{table}.{json.dumps(folder.name)}.sha256]"]
    for file in sorted(folder.iterdir()):
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
        lines.append(f"{json.dumps(file.name)} = {json.dumps(checksum)}")
    return lines


def main() -> None:
    """Rewrite the registry, known captures first and in their order."""
    known: dict[str, dict[str, str]] = {}
    if REGISTRY.is_file():
        known = tomllib.loads(REGISTRY.read_text(encoding="utf-8")).get("captures", {})
    found = {folder.name: folder for folder in sorted((HERE / "captures").iterdir())}
    names = [name for name in known if name in found]
    names += [name for name in found if name not in known]
    entries = [entry(found[name], known.get(name, {}).get("about", "")) for name in names]
    entries += [stream_entry(folder) for folder in sorted((HERE / "streams").iterdir())]
    entries += [trace_entry(folder) for folder in sorted((HERE / "traces").iterdir())]
    REGISTRY.write_text("\n".join([HEAD, *entries]), encoding="utf-8")


if __name__ == "__main__":
    main()
