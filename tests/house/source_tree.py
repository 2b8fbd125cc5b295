"""The project's own files, as the house tests look at them."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "migkit"
NOT_OURS = {
    ".git", ".venv", "build", "dist", "reproduction", "__pycache__", ".ipynb_checkpoints",
    ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache",
}  # fmt: skip
CYTHON_FUNCTION = re.compile(r"^(\s*)(?:cpdef|cdef|def)\b(?!\s+(?:extern|class|enum|struct))")


@dataclass(frozen=True)
class Import:
    """One import of ours: who asks, for which module, and whether as soon as it is loaded.

    An import inside a function runs when that is called, one for type checkers never.
    """

    importer: str
    imported: str
    at_load: bool


def files(*suffixes: str, under: Path = ROOT) -> list[Path]:
    """Return the project's files of these suffixes (all of them if none is named)."""
    return sorted(
        path
        for path in under.rglob("*")
        if path.is_file()
        and not NOT_OURS.intersection(path.relative_to(under).parts)
        and (not suffixes or path.suffix in suffixes)
    )


def module_name(path: Path, package: Path = PACKAGE) -> str:
    """Return the dotted name of a source file of the package."""
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Return every module of the package by dotted name, compiled ones included."""
    return {module_name(path, package): path for path in files(".py", ".pyx", under=package)}


def imports_of(path: Path, package: Path = PACKAGE) -> list[Import]:
    """Return the imports of a Python file, wherever in it they stand, as absolute names."""
    importer = module_name(path, package)
    tree = ast.parse(path.read_text())
    later = {
        id(inner)
        for block in ast.walk(tree)
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test))
        for statement in block.body
        for inner in ast.walk(statement)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, importer, is_package=path.name == "__init__.py")
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [Import(importer, name, id(node) not in later) for name in names]
    return found


def absolute(node: ast.ImportFrom, importer: str, *, is_package: bool) -> str:
    """Return the module a from-import names, with leading dots resolved."""
    if not node.level:
        return node.module or ""
    parts = importer.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])


def python_functions(path: Path) -> dict[str, int]:
    """Return the lines of each function of a Python file, its docstring not counted."""
    lengths = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node, clean=False) is not None:
                lines -= (first.end_lineno or first.lineno) - first.lineno + 1
            lengths[f"{node.name} (line {node.lineno})"] = lines
    return lengths


def cython_functions(path: Path) -> dict[str, int]:
    """Return the lines of each function of a Cython file, from its head to its last line."""
    lines = path.read_text().splitlines()
    lengths = {}
    for start, line in enumerate(lines):
        head = CYTHON_FUNCTION.match(line)
        if not head or "(" not in line:
            continue
        end = start
        for number in range(start + 1, len(lines)):
            text = lines[number]
            if text.strip() and len(text) - len(text.lstrip()) <= len(head[1]):
                if text.lstrip().startswith(")"):
                    continue
                break
            if text.strip():
                end = number
        lengths[f"{line.strip()} (line {start + 1})"] = end - start + 1
    return lengths
