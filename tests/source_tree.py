"""The repository's own files and imports, as the structural tests read them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = "depth_anything_ros"


def tracked_files() -> list[Path]:
    """Every file that git would deliver, relative to the root: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True).stdout.decode()
    return sorted(path for path in map(Path, filter(None, listed.split("\0"))) if (REPOSITORY / path).is_file())


def modules_of(folder: str) -> dict[str, Path]:
    """Dotted name, below the folder, of each Python module in it -> its file; a package is named without __init__."""
    root = REPOSITORY / folder
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path: Path, package: str, *, at_top: bool = False) -> Iterator[tuple[str, int]]:
    """Absolute dotted names that a file imports anywhere in it, with the line; relative ones are resolved.

    ``at_top`` leaves out what is imported inside functions only.

    ``from a import b`` gives ``a.b``: whether b is a module or a name in one is for the caller to tell. Imports for
    annotations only (``if TYPE_CHECKING:``) never run and are left out.
    """
    base = (package, *path.relative_to(REPOSITORY / package).parent.parts)
    tree = ast.parse(path.read_text("utf-8"), str(path))
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    skipped = {inner for guard in guards for statement in guard.body for inner in ast.walk(statement)}
    if at_top:
        functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        skipped |= {inner for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = base[: len(base) - node.level + 1] if node.level else ()
            prefix = ".".join((*origin, *filter(None, [node.module])))
            yield from ((f"{prefix}.{alias.name}", node.lineno) for alias in node.names)
