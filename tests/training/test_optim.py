"""Which parameter learns at which rate, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.tiny_fit import TinyObjective, recipe_of
from training.fit_config import FitConfig
from training.optim import build_optimiser, learning_rate_at, set_learning_rate


def rates(**changes: Any) -> list[float]:
    config = FitConfig(steps=10, learning_rate=1.0, **changes)
    return [learning_rate_at(config, step) for step in range(10)]


def test_hold_is_constant_and_then_linear() -> None:
    assert rates(decay_share=0.5) == pytest.approx([1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert rates(decay_share=0.0) == [1.0] * 10


def test_hold_over_the_whole_run_is_the_linear_decay_of_the_papers() -> None:
    assert rates() == pytest.approx([1 - step / 10 for step in range(10)])


def test_poly_is_that_of_the_released_metric_trainer() -> None:
    assert rates(schedule="poly") == pytest.approx([(1 - step / 10) ** 0.9 for step in range(10)])


def test_cosine_is_half_a_wave_down_to_the_final_share() -> None:
    values = rates(schedule="cosine", final_share=0.1)
    assert values[0] == 1.0 and values[5] == pytest.approx(0.55)
    assert values[9] == pytest.approx(0.1 + 0.9 * 0.0244717, abs=1e-6)
    assert values == sorted(values, reverse=True)


def test_warm_up_is_linear_and_ends_at_the_schedule() -> None:
    assert rates(warmup_steps=4, decay_share=0.0) == pytest.approx([0.25, 0.5, 0.75] + [1.0] * 7)
    assert rates(warmup_steps=4)[5:] == rates()[5:]


def test_encoder_and_rest_have_their_rates_and_only_matrices_decay(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, tmp_path, learning_rate=1e-3, encoder_rate=0.1, weight_decay=0.05)
    objective = TinyObjective(recipe)
    optimiser = build_optimiser(objective, recipe.section("teacher"))
    set_learning_rate(optimiser, 2e-4)
    names = {id(parameter): name for name, parameter in objective.named_parameters()}
    found = {}
    for group in optimiser.param_groups:
        found |= {names[id(parameter)]: (group["lr"], group["weight_decay"]) for parameter in group["params"]}
    trained = {name for name, parameter in objective.named_parameters() if parameter.requires_grad}
    assert found.keys() == trained and {"unreached", "scale.bias", "network.head.depth.weight"} <= trained
    assert not any(name.startswith("frozen.") for name in trained)
    for name, (rate, decay) in found.items():
        assert rate == pytest.approx(2e-5 if name.startswith("network.backbone.") else 2e-4), name
        assert decay == (0.05 if dict(objective.named_parameters())[name].ndim > 1 else 0.0), name


def test_an_encoder_rate_of_zero_leaves_the_encoder_as_it_is(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, tmp_path, encoder_rate=0.0, weight_decay=0.1)
    objective = TinyObjective(recipe)
    before = {name: value.clone() for name, value in objective.network.state_dict().items()}
    optimiser = build_optimiser(objective, recipe.section("teacher"))
    set_learning_rate(optimiser, 1e-2)
    for parameter in objective.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    for name, parameter in objective.network.named_parameters():
        kept = name.startswith("backbone.") or not parameter.requires_grad
        assert torch.equal(parameter, before[name]) == kept, name
