"""House rules that hold for every file of the repository."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.source_tree import PACKAGE, REPOSITORY, modules_of, tracked_files

TEXT_SUFFIXES = {".cfg", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".xml", ".yaml", ".yml"}
MAX_LINES = 300
MAX_FILE_MB = 10
PYTHON_FILES = [path for path in tracked_files() if path.suffix == ".py"]

# Home folders and this project's own workplace; put together here so that this file does not match itself.
MACHINE_PATH = re.compile(r"/ho" r"me/\w|/ro" r"ot/|/Us" r"ers/\w|/wo" r"rk/|/opt/(whe" r"els|py" r"pi)")
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b")


def text_files() -> list[Path]:
    """Tracked text: by suffix, and the scripts, which have none."""
    return [path for path in tracked_files() if path.suffix in TEXT_SUFFIXES or path.parent.name in ("scripts", ".ci")]


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    """``file:line: text`` of every match in the repository's text."""
    return [
        f"{path}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate((REPOSITORY / path).read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_the_tree_is_seen() -> None:
    assert {Path("setup.py"), Path("scripts/demo"), Path("README.md")} <= set(text_files())
    assert len(PYTHON_FILES) > 20


def test_no_text_file_is_longer_than_its_limit() -> None:
    lengths = {path: len((REPOSITORY / path).read_text("utf-8").splitlines()) for path in text_files()}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_no_file_is_large() -> None:
    sizes = {path: (REPOSITORY / path).stat().st_size / 1e6 for path in tracked_files()}
    assert {path: size for path, size in sizes.items() if size > MAX_FILE_MB} == {}


def test_no_path_of_a_machine_is_named() -> None:
    assert lines_matching(MACHINE_PATH) == []


def test_nothing_is_left_unfinished() -> None:
    assert lines_matching(UNFINISHED) == []


def test_no_python_file_is_called_utils_or_helpers() -> None:
    assert [path for path in PYTHON_FILES if path.stem in ("utils", "util", "helpers", "common", "misc")] == []


def test_launch_is_no_package() -> None:
    # It would take the place of ROS's own launch under colcon --symlink-install.
    assert not (REPOSITORY / "launch" / "__init__.py").exists()


def unsafe_loads(tree: ast.AST) -> list[int]:
    """Lines that could run a file's content: pickle, a torch or NumPy load that allows it, a full YAML loader."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            origin = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            names = [origin] if origin else [alias.name for alias in node.names]
            found += [node.lineno for name in names if name.split(".")[0] in ("pickle", "dill", "joblib", "shelve")]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            call = ast.unparse(node.func)
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if (
                (call == "torch.load" and options.get("weights_only") != "True")
                or options.get("allow_pickle", "False") != "False"
                or call in ("yaml.load", "yaml.unsafe_load", "yaml.full_load")
            ):
                found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
    ],
)
def test_unsafe_loads_are_recognised(line: str) -> None:
    assert unsafe_loads(ast.parse(line)) == [1]


def test_safe_loads_are_let_through() -> None:
    safe = (
        "torch.load(p, weights_only=True)\nnp.load(p)\nnp.load(p, allow_pickle=False)\nyaml.safe_load(t)\nimport json"
    )
    assert unsafe_loads(ast.parse(safe)) == []


def test_no_file_can_run_code_from_data() -> None:
    sources = {path: ast.parse((REPOSITORY / path).read_text("utf-8")) for path in PYTHON_FILES}
    assert {path: lines for path, tree in sources.items() if (lines := unsafe_loads(tree))} == {}


def test_package_xml_is_an_ament_python_package() -> None:
    root = ElementTree.parse(REPOSITORY / "package.xml").getroot()
    assert root.findtext("name") == "depth_anything_ros"
    assert root.findtext("export/build_type") == "ament_python"
    assert root.findtext("license") == "Apache-2.0"


def test_licence_and_notice() -> None:
    licence = (REPOSITORY / "LICENSE").read_text("utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    notice = (REPOSITORY / "NOTICE").read_text("utf-8")
    for owner in ("ardaduz/deep-video-mvs", "andyzeng/tsdf-fusion", "Arda Duzceker", "Princeton University"):
        assert owner in notice


ARCHITECTURE = (REPOSITORY / "docs" / "ARCHITECTURE.md").read_text("utf-8")


def test_every_test_that_architecture_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", ARCHITECTURE)
    assert len(named) > 20
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (REPOSITORY / path).is_file() or f"def {name}(" not in (REPOSITORY / path).read_text("utf-8")
    ]
    assert missing == []


def test_architecture_has_a_room_for_every_module() -> None:
    table = ARCHITECTURE.partition("## Code map")[2].partition("## Words and types")[0]
    core, _, training = table.partition("| `training/` |")
    top_level = {name.partition(".")[0] for name in modules_of(PACKAGE)} - {"", "__main__"}
    assert set(re.findall(r"`(\w+)`", core)) == top_level
    stages = {name for name in modules_of("training") if "." not in name} - {"", "__main__", "sources"}
    assert stages <= set(re.findall(r"`(\w+)`", training))
