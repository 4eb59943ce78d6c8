"""One folder, one writer, one recipe: what is refused changes nothing, and a killed run leaves what can be read."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from depth_anything_ros.errors import ConfigError, OutputError
from tests.training.tiny_fit import TinyObjective, fit_tiny, losses_of, recipe_of
from tests.training.tiny_training import write_shards
from training import checkpoint, tracking
from training.checkpoint import load_checkpoint, load_network, read_meta, save_checkpoint
from training.config import Recipe, recipe_from_dict, recipe_to_dict
from training.run_dir import RunDir, write_json
from training.stages import is_done


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def whole(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    fit_tiny(recipe_of(shards, out), TinyObjective(recipe_of(shards, out), best="weight"))
    return out


@pytest.fixture(scope="module")
def server() -> BaseContext:
    """Starts processes that may be killed, from one that has imported torch once and runs no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@pytest.fixture
def recipe(shards: Path, tmp_path: Path) -> Recipe:
    return recipe_of(shards, tmp_path)


def die_at_sync(shards: Path, out: Path, number: int) -> None:
    """Train, and be killed when a file is about to be renamed for the ``number``-th time."""
    calls = iter(range(1, 100))
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL) if next(calls) == number else None
    recipe = recipe_of(shards, out)
    fit_tiny(recipe, TinyObjective(recipe, best="weight"))


def die_in_save(shards: Path, out: Path, number: int) -> None:
    """Be killed in the middle of writing the ``number``-th checkpoint."""
    calls, save = iter(range(1, 100)), checkpoint.save_file

    def half(tensors: Any, path: Path, metadata: Any) -> None:
        save(tensors, path, metadata=metadata)
        if next(calls) == number:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.save_file = half
    die_at_sync(shards, out, 99)


def die_in_log(shards: Path, out: Path, number: int) -> None:
    """Be killed in the middle of line ``number`` of the log, while worker processes load."""
    steps, calls = tracking.Tracker.steps, iter(range(1, 100))

    def half(self: tracking.Tracker, entries: list[dict[str, float]]) -> None:
        if next(calls) == number:
            with (out / "teacher" / "log.jsonl").open("a") as file:
                file.write('{"step": ')
            os.kill(os.getpid(), signal.SIGKILL)
        steps(self, entries)

    tracking.Tracker.steps = half  # type: ignore[method-assign]
    recipe = recipe_of(shards, out, compute={"workers": 1})
    fit_tiny(recipe, TinyObjective(recipe, best="weight"))


# Files are synced in this order: recipe, best and last at step 3, (best and) last at step 6, DONE.
@pytest.mark.parametrize(("death", "number"), [(die_at_sync, 3), (die_at_sync, 5), (die_in_save, 3), (die_in_log, 5)])
def test_a_run_that_was_killed_goes_on_at_once_as_if_it_had_not_been(
    server: BaseContext, shards: Path, whole: Path, recipe: Recipe, tmp_path: Path, death: Any, number: int
) -> None:
    process = server.Process(target=death, args=(shards, tmp_path, number))  # type: ignore[attr-defined]
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL and not is_done(recipe, "teacher")
    folder = tmp_path / "teacher"
    for path in folder.glob("[!.]*.safetensors"):
        load_network(path)
    assert number < 4 or read_meta(folder / "last.safetensors")["step"] in (3, 6)
    assert fit_tiny(recipe, TinyObjective(recipe, best="weight")).name == "best.safetensors"
    assert losses_of(tmp_path) == losses_of(whole)
    assert not [path.name for path in folder.iterdir() if ".part" in path.name]
    for name in ("best", "last"):
        found, expected = (load_checkpoint(out / "teacher" / f"{name}.safetensors") for out in (tmp_path, whole))
        assert found[1]["step"] == expected[1]["step"]
        assert all((tensor == expected[0][key]).all() for key, tensor in found[0].items())


def hold(recipe: Recipe, ready: Any) -> None:
    with RunDir(recipe, "teacher"):
        ready.set()
        signal.pause()


@pytest.fixture
def holder(server: BaseContext, recipe: Recipe) -> Iterator[Any]:
    """A process that is at work in the folder."""
    ready = server.Event()
    process = server.Process(target=hold, args=(recipe, ready))  # type: ignore[attr-defined]
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def test_two_runs_in_one_folder_are_one_clear_error(holder: Any, recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="teacher: another process writes there"):
        fit_tiny(recipe)
    holder.kill()
    holder.join()
    with RunDir(recipe, "teacher") as folder:
        assert folder.path.is_dir()


def test_another_recipe_is_refused_by_the_keys_that_differ(shards: Path, whole: Path) -> None:
    folder = whole / "teacher"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    changed = recipe_of(shards, whole, learning_rate=0.5, augment={"flip": 0.25})
    with pytest.raises(ConfigError, match=r"other values of teacher\.augment\.flip, teacher\.learning_rate; take"):
        fit_tiny(changed)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert is_done(recipe_of(shards, whole), "teacher")


def test_what_a_run_costs_may_change(shards: Path, tmp_path: Path) -> None:
    fit_tiny(recipe_of(shards, tmp_path, steps=3))
    fit_tiny(recipe_of(shards, tmp_path, steps=4, checkpoint_every=1, compute={"accumulate": 2, "precision": "bf16"}))
    assert len(losses_of(tmp_path)) == 4


def test_more_steps_of_a_stage_before_are_another_run(recipe: Recipe) -> None:
    trees = [{**recipe_to_dict(recipe), "metric": {"sources": ["planes"], "init": "teacher"}} for _ in range(2)]
    trees[1]["teacher"] = {**trees[1]["teacher"], "steps": 7, "checkpoint_every": 1}
    first, second = (recipe_from_dict(tree, "test") for tree in trees)
    with RunDir(first, "metric") as folder:
        folder.mark_done()
    with pytest.raises(ConfigError, match=r"other values of teacher\.steps; take"), RunDir(second, "metric"):
        pass
    assert is_done(first, "metric")


def test_an_evaluation_is_made_again_for_another_recipe_of_that_name(recipe: Recipe) -> None:
    tree = {**recipe_to_dict(recipe), "evaluate": {"model": "teacher", "sources": ["planes"]}}
    first = recipe_from_dict(tree, "test")
    with RunDir(first, "evaluate") as folder:
        folder.mark_done()
    tree["evaluate"] = {**tree["evaluate"], "pictures": 2}
    second = recipe_from_dict(tree, "test")
    with RunDir(second, "evaluate"):
        assert not is_done(first, "evaluate") and not is_done(second, "evaluate")
    other = recipe_from_dict({**tree, "name": "other"}, "test")
    with pytest.raises(ConfigError, match="other values of name"), RunDir(other, "evaluate"):
        pass


def test_a_folder_that_no_run_made_is_left_alone(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"teacher holds notes\.txt but no recipe\.json"):
        fit_tiny(recipe)
    assert {path.name for path in (tmp_path / "teacher").iterdir()} == {"notes.txt", ".lock"}


def test_a_recipe_that_cannot_be_read_is_named(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "recipe.json").write_text("{")
    with pytest.raises(ConfigError, match=r"recipe\.json: not a readable recipe"):
        fit_tiny(recipe)


def test_a_folder_that_cannot_be_made_is_named(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file/run/teacher"):
        fit_tiny(recipe_of(shards, tmp_path / "file" / "run"))


@pytest.mark.parametrize("limit", [100_000, 500], ids=["checkpoint", "log"])
def test_a_full_disk_is_said_and_the_checkpoint_before_stays(shards: Path, tmp_path: Path, limit: int) -> None:
    fit_tiny(recipe_of(shards, tmp_path, steps=3))
    folder = tmp_path / "teacher"
    before = (folder / "last.safetensors").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OutputError, match=r"^cannot write .*(last|log|recipe)\..*[Ff]ile too large"):
            fit_tiny(recipe_of(shards, tmp_path, steps=6))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (folder / "last.safetensors").read_bytes() == before
    assert not [path.name for path in folder.iterdir() if ".part" in path.name]
    fit_tiny(recipe_of(shards, tmp_path, steps=6))
    assert len(losses_of(tmp_path)) == 6


def test_an_error_of_the_library_that_writes_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OutputError, match=r"^cannot write .*x\.safetensors: .*No space left on device"):
        save_checkpoint(tmp_path / "x.safetensors", {}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1} and [item.name for item in tmp_path.iterdir()] == ["a.json"]
