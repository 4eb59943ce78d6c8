"""The loop: it learns, it resumes exactly, it keeps what it has, and its switches change nothing but the cost."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from depth_anything_ros.errors import ConfigError, SourceError
from tests.training.tiny_fit import TinyObjective, fit_tiny, log_of, losses_of, recipe_of
from tests.training.tiny_training import write_shards
from training.checkpoint import group, load_checkpoint, load_network
from training.stages import checkpoint_of, is_done
from training.stop_request import StopRequest


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def whole(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps that nothing disturbed, validated twice."""
    out = tmp_path_factory.mktemp("whole")
    recipe = recipe_of(shards, out)
    fit_tiny(recipe, TinyObjective(recipe, best="weight"))
    return out


class Interrupted(TinyObjective):
    """Sends this process a signal while it computes a step."""

    at_step, number = 0, signal.SIGINT

    def forward(self, batch: Any, step: int) -> Any:
        if step == self.at_step:
            signal.raise_signal(self.number)
        return super().forward(batch, step)


def assert_same_checkpoints(first: Path, second: Path) -> None:
    tensors, others = load_checkpoint(first)[0], load_checkpoint(second)[0]
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, others[name]), name


# Step 2 is the third: its checkpoint is one that validates.
@pytest.mark.parametrize(("step", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM), (4, signal.SIGINT)])
def test_a_run_that_was_interrupted_and_continued_is_the_undisturbed_one(
    shards: Path, whole: Path, tmp_path: Path, step: int, number: signal.Signals
) -> None:
    recipe = recipe_of(shards, tmp_path)
    interrupted = Interrupted(recipe, best="weight")
    interrupted.at_step, interrupted.number = step, number
    handler = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        fit_tiny(recipe, interrupted)
    assert signal.getsignal(number) == handler
    assert len(losses_of(tmp_path)) == step + 1
    assert not is_done(recipe, "teacher")
    assert fit_tiny(recipe, TinyObjective(recipe, best="weight")) == tmp_path / "teacher" / "best.safetensors"
    assert is_done(recipe, "teacher")
    timed = ("seconds", "wait_share")
    expected, found = (
        [{key: value for key, value in entry.items() if key not in timed} for entry in log_of(out)]
        for out in (whole, tmp_path)
    )
    assert found == expected
    for name in ("last", "best"):
        assert_same_checkpoints(*(out / "teacher" / f"{name}.safetensors" for out in (whole, tmp_path)))


def test_an_error_of_the_held_out_samples_costs_no_step(shards: Path, whole: Path, tmp_path: Path) -> None:
    class Damaged(TinyObjective):
        def validate(self, network: torch.nn.Module) -> dict[str, float]:
            raise SourceError("held_out/7: cannot be read")

    recipe = recipe_of(shards, tmp_path)
    for _ in range(2):
        with pytest.raises(SourceError, match="held_out/7"):
            fit_tiny(recipe, Damaged(recipe, best="weight"))
        assert load_checkpoint(tmp_path / "teacher" / "last.safetensors")[1]["step"] == 3
    fit_tiny(recipe, TinyObjective(recipe, best="weight"))
    assert losses_of(tmp_path) == losses_of(whole)
    assert [entry.get("weight") for entry in log_of(tmp_path)] == [entry.get("weight") for entry in log_of(whole)]
    for name in ("last", "best"):
        assert_same_checkpoints(*(out / "teacher" / f"{name}.safetensors" for out in (whole, tmp_path)))


def test_too_little_memory_is_one_line_that_says_what_needs_less(shards: Path, tmp_path: Path) -> None:
    class Large(TinyObjective):
        def forward(self, batch: Any, step: int) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has")

    recipe = recipe_of(shards, tmp_path)
    message = r"^teacher: cpu has too little memory \(CUDA out of memory\); .*batch_size \(now 4\), compute.accumulate"
    with pytest.raises(ConfigError, match=message):
        fit_tiny(recipe, Large(recipe))


def test_a_second_interruption_ends_at_once() -> None:
    with StopRequest() as stop:
        assert not stop.requested
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_cluster_may_ask_twice() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
            assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == handler


def test_more_steps_go_on_from_the_last_and_fewer_are_refused(shards: Path, whole: Path, tmp_path: Path) -> None:
    fit_tiny(recipe_of(shards, tmp_path, steps=3))
    fit_tiny(recipe_of(shards, tmp_path, steps=6))
    assert losses_of(tmp_path) == losses_of(whole)
    before = {path.name: path.read_bytes() for path in (tmp_path / "teacher").iterdir()}
    with pytest.raises(ConfigError, match=r"steps 4: .* is done with 6 already"):
        fit_tiny(recipe_of(shards, tmp_path, steps=4))
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "teacher").iterdir()}
    assert is_done(recipe_of(shards, tmp_path, steps=6), "teacher")


def test_a_finished_run_is_left_as_it_is(shards: Path, tmp_path: Path) -> None:
    recipe = recipe_of(shards, tmp_path, steps=3)
    path = fit_tiny(recipe)
    times = path.stat().st_mtime_ns
    assert fit_tiny(recipe) == path == checkpoint_of(recipe, "teacher") == tmp_path / "teacher" / "last.safetensors"
    assert path.stat().st_mtime_ns == times and len(losses_of(tmp_path)) == 3


def test_training_lowers_the_loss(shards: Path, tmp_path: Path) -> None:
    fit_tiny(recipe_of(shards, tmp_path, steps=30, learning_rate=1e-2, encoder_rate=1.0, checkpoint_every=30))
    values = losses_of(tmp_path)
    assert sum(values[-5:]) < 0.5 * sum(values[:5])


@pytest.mark.parametrize(
    "compute",
    [{"accumulate": 2}, {"accumulate": 3}, {"checkpoint_activations": True}, {"workers": 2}],
    ids=lambda compute: "-".join(map(str, next(iter(compute.items())))),
)
def test_a_switch_of_the_computation_changes_the_numbers_by_rounding_alone(
    shards: Path, whole: Path, tmp_path: Path, compute: dict[str, Any]
) -> None:
    fit_tiny(recipe_of(shards, tmp_path, compute=compute))
    assert losses_of(tmp_path) == pytest.approx(losses_of(whole), rel=1e-5)
    expected, found = (load_network(out / "teacher" / "last.safetensors")[0] for out in (whole, tmp_path))
    for (name, first), second in zip(expected.named_parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5, msg=name)


def test_bf16_is_near_and_the_weights_stay_fp32(shards: Path, whole: Path, tmp_path: Path) -> None:
    path = fit_tiny(recipe_of(shards, tmp_path, compute={"precision": "bf16"}))
    assert losses_of(tmp_path) != losses_of(whole)
    assert losses_of(tmp_path) == pytest.approx(losses_of(whole), rel=0.02)
    assert {tensor.dtype for tensor in load_checkpoint(path)[0].values()} == {torch.float32}


@pytest.mark.slow
def test_a_compiled_training_is_the_same(shards: Path, whole: Path, tmp_path: Path) -> None:
    fit_tiny(recipe_of(shards, tmp_path, compute={"compile": True}))
    assert losses_of(tmp_path) == pytest.approx(losses_of(whole), rel=1e-4)


def test_activations_of_an_encoder_without_blocks_cannot_be_computed_again(shards: Path, tmp_path: Path) -> None:
    recipe = recipe_of(shards, tmp_path, compute={"checkpoint_activations": True})
    objective = TinyObjective(recipe)
    objective.network = torch.nn.Linear(2, 2)
    with pytest.raises(ConfigError, match="checkpoint_activations true"):
        fit_tiny(recipe, objective)


def test_more_parts_than_samples_are_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch_size 4: at least 5"):
        fit_tiny(recipe_of(shards, tmp_path, compute={"accumulate": 5}))


def test_a_loss_that_is_not_finite_names_the_step_and_overwrites_nothing(shards: Path, tmp_path: Path) -> None:
    recipe = recipe_of(shards, tmp_path, steps=9)

    class Broken(TinyObjective):
        def forward(self, batch: Any, step: int) -> Any:
            loss, terms = super().forward(batch, step)
            return (loss * math.nan, terms) if step == 4 else (loss, terms)

    with pytest.raises(ConfigError, match=r"^step 5: the loss is nan; lower learning_rate \(now 0.001\)"):
        fit_tiny(recipe, Broken(recipe))
    assert load_checkpoint(tmp_path / "teacher" / "last.safetensors")[1]["step"] == 3
    assert not is_done(recipe, "teacher") and len(losses_of(tmp_path)) == 4


def test_a_gradient_that_is_not_finite_is_not_saved_either(shards: Path, tmp_path: Path) -> None:
    recipe = recipe_of(shards, tmp_path, clip_norm=0.0)

    class Rooted(TinyObjective):
        def forward(self, batch: Any, step: int) -> Any:
            loss, terms = super().forward(batch, step)
            return (loss + torch.sqrt(0.0 * loss), terms) if step == 2 else (loss, terms)

    with pytest.raises(ConfigError, match=r"^step 3: the norm of the gradient is nan"):
        fit_tiny(recipe, Rooted(recipe))
    assert not (tmp_path / "teacher" / "last.safetensors").exists()


def test_labels_that_are_all_invalid_are_said(shards: Path, tmp_path: Path) -> None:
    recipe = recipe_of(shards, tmp_path, steps=12, checkpoint_every=100)

    class Unlabelled(TinyObjective):
        def forward(self, batch: Any, step: int) -> Any:
            loss, terms = super().forward(batch, step)
            return 0 * loss, terms

    with pytest.raises(ConfigError, match="steps 1 to 10: the gradient is 0; either no sample has a valid label"):
        fit_tiny(recipe, Unlabelled(recipe))


def test_best_is_the_smallest_figure_of_the_averaged_network(shards: Path, tmp_path: Path) -> None:
    recipe = recipe_of(shards, tmp_path, steps=8, checkpoint_every=2)
    objective = TinyObjective(recipe, best="error", figures=dict(enumerate([0.5, math.nan, 0.25, 0.375])))
    path = fit_tiny(recipe, objective)
    network, meta = load_network(path)
    assert path.name == "best.safetensors" and meta["step"] == 6
    weight = float(next(network.parameters()).detach().abs().sum())
    assert weight == pytest.approx(objective.validations[2]["weight"])
    figures = [entry["error"] for entry in log_of(tmp_path) if "error" in entry]
    assert figures == [0.5, None, 0.25, 0.375]


def test_checkpoints_say_what_they_are(shards: Path, whole: Path) -> None:
    recipe = recipe_of(shards, whole)
    for name in ("best", "last"):
        network, meta = load_network(whole / "teacher" / f"{name}.safetensors")
        assert meta["format_version"] == 2 and meta["stage"] == "teacher" and meta["quantity"] == "disparity"
        assert meta["network"] == network.config.to_dict() and meta["recipe"]["name"] == "tiny"
        assert meta["fingerprint"] == json.loads((whole / "teacher" / "DONE").read_text())["fingerprint"]
    assert is_done(recipe, "teacher")
    tensors = load_checkpoint(whole / "teacher" / "last.safetensors")[0]
    assert group(tensors, "extra").keys() == {"scale.weight", "scale.bias", "unreached"}
    assert torch.equal(group(tensors, "extra")["unreached"], torch.ones(3, 2))
    assert not any("frozen" in name for name in tensors)


def test_the_average_is_the_recurrence_of_its_decay(shards: Path, tmp_path: Path) -> None:
    values: list[torch.Tensor] = []
    for steps in (1, 2, 3):
        fit_tiny(recipe_of(shards, tmp_path, steps=steps, ema_decay=0.15))
        tensors = load_checkpoint(tmp_path / "teacher" / "last.safetensors")[0]
        name = "neck.convs.0.weight"
        if not values:
            start = TinyObjective(recipe_of(shards, tmp_path)).network.state_dict()[name]
            values.append(start)
        # The decay is 1/10 and 2/11 until it reaches 0.15.
        decay = min(0.15, steps / (steps + 9))
        values.append(decay * values[-1] + (1 - decay) * group(tensors, "net")[name])
        torch.testing.assert_close(group(tensors, "ema")[name], values[-1])


def test_pictures_and_scalars_reach_tensorboard(shards: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    recipe = recipe_of(shards, tmp_path, compute={"tensorboard": True})
    fit_tiny(recipe, TinyObjective(recipe, best="weight"))
    board = EventAccumulator(str(tmp_path / "teacher" / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    assert [event.value for event in board.Scalars("loss")] == pytest.approx(losses_of(tmp_path))
    assert [event.step for event in board.Images("image")] == [3, 6]
