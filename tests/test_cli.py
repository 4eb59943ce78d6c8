"""The command line: one-line mistakes with exit code 2, quick help, and defaults that its help states truly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import depth_anything_ros
from depth_anything_ros import cli
from depth_anything_ros.camera import ASSUMED_HFOV_DEG
from depth_anything_ros.engine_options import ENGINES, PRECISIONS
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.filters import FLYING_RATIO
from depth_anything_ros.outputs import DEPTH_FORMATS
from depth_anything_ros.run import RunOptions


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "depth_anything_ros", *arguments], capture_output=True, text=True, check=False
    )


def mistake(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a mistake gives; main must end with exit code 2."""
    try:
        code: object = cli.main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("depth_anything_ros: error: ")
    return captured.err.removeprefix("depth_anything_ros: error: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: COMMAND"),
        (["rnu"], "'rnu'"),
        (["run"], "required: SOURCE, --out"),
        (["run", "bag"], "required: --out"),
        (["run", "bag", "--output", "x"], "unknown option --output; did you mean --out?"),
        (["run", "bag", "--out", "x", "--modle=y"], "unknown option --modle; did you mean --model?"),
        (["run", "bag", "--out", "x", "--no-vidoe"], "did you mean --no-video?"),
        (["run", "bag", "--out", "x", "--xyzzy"], "unknown option --xyzzy (see"),
        (["run", "bag", "--out", "x", "--every", "0"], "'0'; accepted: a whole number of at least 1"),
        (["run", "bag", "--out", "x", "--every", "1.5"], "'1.5'; accepted: a whole number"),
        (["run", "bag", "--out", "x", "--scale", "nan"], "'nan'; accepted: a number above 0"),
        (["run", "bag", "--out", "x", "--max-depth", "inf"], "'inf'; accepted: a number above 0"),
        (["run", "bag", "--out", "x", "--edge-ratio", "-1"], "accepted: a number of at least 0"),
        (["run", "bag", "--out", "x", "--format", "exr"], "'exr'"),
        (["run", "bag", "--out", "x", "--engine", "tensorflow"], "'tensorflow'"),
        (["run", "a", "b", "--out", "x"], "unrecognized arguments: b"),
        (["info", "--jsno"], "did you mean --json?"),
        (["bench", "--second", "1"], "did you mean --seconds?"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in mistake(arguments, capsys)


def test_errors_of_the_package_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*args: object, **kwargs: object) -> int:
        raise ConfigError("a value\n  over two lines")

    monkeypatch.setattr("depth_anything_ros.info.print_info", fail)
    assert mistake(["info"], capsys) == "a value over two lines\n"
    assert cli.main(["info", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_interrupted_before_anything_ran(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*args: object, **kwargs: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("depth_anything_ros.info.print_info", interrupt)
    assert cli.main(["info"]) == 130
    assert capsys.readouterr().err == "depth_anything_ros: interrupted\n"


def test_the_module_is_the_command() -> None:
    done = command("--version")
    assert (done.returncode, done.stdout) == (0, f"depth_anything_ros {depth_anything_ros.__version__}\n")
    failed = command("run", "nowhere", "--out", "x")
    assert failed.returncode == 2
    assert failed.stderr.startswith("depth_anything_ros: error: nowhere does not exist")
    assert "Traceback" not in failed.stderr


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom depth_anything_ros.cli import main\n"
        "try:\n    main(['run', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'cv2', 'onnxruntime', 'rosbags', 'openvino', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "depth_anything_ros", "info", "plane:"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 0
    assert errors == ""


def test_help_states_the_true_defaults_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert f"0 keeps all (default: {FLYING_RATIO:g})" in text
    assert f"nothing is known (default: {ASSUMED_HFOV_DEG:g})" in text
    assert f"implies --ply (default: {RunOptions.ply_every})" in text
    assert "at most 80,000 points" in text
    for choices in (ENGINES, PRECISIONS, DEPTH_FORMATS):
        assert "{" + ",".join(choices) + "}" in text


def test_options_arrive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[RunOptions] = []

    def remember(options: RunOptions) -> int:
        seen.append(options)
        return 7

    monkeypatch.setattr("depth_anything_ros.run.run", remember)
    assert cli.main(["run", "bag", "--out", str(tmp_path)]) == 7
    assert seen[0] == RunOptions(source="bag", out=tmp_path)
    arguments = ["--every", "3", "--no-bag", "--ply-every", "4", "--camera-info", "c.yaml", "--edge-ratio", "0"]
    assert cli.main(["run", "--out", str(tmp_path), *arguments, "bag"]) == 7
    expected = RunOptions(
        source="bag",
        out=tmp_path,
        every=3,
        bag=False,
        ply=True,
        ply_every=4,
        camera_info=Path("c.yaml"),
        edge_ratio=0.0,
    )
    assert seen[1] == expected


def test_the_demo_of_another_folder_runs_from_anywhere(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(depth_anything_ros.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "depth_anything_ros", "info", "plane:z=3"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "geometry tests and camera checks only" in done.stdout
