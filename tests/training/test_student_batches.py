"""Batches of the student: what is mixed with what, and that it depends on step and position alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from depth_anything_ros.errors import ConfigError
from tests.training.tiny_training import tiny_recipe, write_shards
from training.batches import LabelledBatches, batch_size_px
from training.student_batches import StudentBatch, StudentBatches

STILL = dict.fromkeys(("colour", "grey", "blur", "cutmix"), 0.0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_shards(tmp_path_factory.mktemp("data") / "shards", count=12)


def batches_of(shards: Path, tmp_path: Path, **section: Any) -> StudentBatches:
    section = {"batch_size": 6, "pseudo": [{"kind": "synthetic", "path": str(shards), "first": 4}], **section}
    recipe = tiny_recipe(shards, tmp_path, student=section)
    config = recipe.section("student")
    return StudentBatches(
        config, recipe.sources(config.sources), recipe.sources(config.pseudo), seed=0, interpolation="area"
    )


def clean(shards: Path, tmp_path: Path, *, labelled: bool, size: int, step: int) -> LabelledBatches:
    source = {"last": 3} if labelled else {"first": 4}
    data = {"all": {"kind": "synthetic", "path": str(shards), **source}}
    recipe = tiny_recipe(shards, tmp_path, data=data, student={"sources": ["all"], "batch_size": size})
    config = recipe.section("student")
    seed = 0 if labelled else 1
    return LabelledBatches(config, recipe.sources(config.sources), seed=seed, interpolation="area")


def rows(batch: StudentBatch, index: int) -> list[torch.Tensor]:
    return [tensor[index] for tensor in vars(batch).values()]


def test_any_part_of_a_batch_holds_the_same_samples(shards: Path, tmp_path: Path) -> None:
    batches = batches_of(shards, tmp_path)
    whole = batches.batch(3, range(6))
    assert whole.is_labelled_n.tolist() == [True, False, False, True, False, False]
    assert whole.inside_nhw.any(), "the step must have a CutMix, or this says little"
    for part in (range(3, 6), range(1, 2), range(4, 5)):
        found = batches.batch(3, part)
        for index, position in enumerate(part):
            assert all(torch.equal(a, b) for a, b in zip(rows(found, index), rows(whole, position), strict=True))
    assert not torch.equal(whole.image_nhw3, batches.batch(4, range(6)).image_nhw3)


def test_labelled_images_are_not_perturbed_and_pseudo_labelled_ones_are(shards: Path, tmp_path: Path) -> None:
    batch = batches_of(shards, tmp_path, perturb={"colour": 1.0, "cutmix": 0.0}).batch(0, range(6))
    size = batch_size_px(tiny_recipe(shards, tmp_path, student={}).section("student"), seed=0, step=0)
    labelled = clean(shards, tmp_path, labelled=True, size=2, step=0)
    pseudo = clean(shards, tmp_path, labelled=False, size=4, step=0)
    for position, index in ((0, 0), (3, 1)):
        sample = labelled.sample(0, index, *size)
        assert torch.equal(batch.image_nhw3[position], torch.from_numpy(sample.image_HW3))
    for position, index in ((1, 0), (2, 1), (4, 2), (5, 3)):
        sample = pseudo.sample(0, index, *size)
        assert not torch.equal(batch.image_nhw3[position], torch.from_numpy(sample.image_HW3))
        assert torch.equal(batch.disparity_nhw[position], torch.from_numpy(sample.disparity_HW))
    still = batches_of(shards, tmp_path, perturb=STILL).batch(0, range(6))
    assert torch.equal(still.image_nhw3[5], torch.from_numpy(pseudo.sample(0, 3, *size).image_HW3))
    assert not still.inside_nhw.any()


def test_cutmix_takes_image_and_label_of_the_box_from_the_next_sample(shards: Path, tmp_path: Path) -> None:
    still = batches_of(shards, tmp_path, perturb=STILL).batch(0, range(6))
    mixed = batches_of(shards, tmp_path, perturb={**STILL, "cutmix": 1.0}).batch(0, range(6))
    for position, following in ((1, 2), (2, 4), (4, 5), (5, 1)):
        inside = mixed.inside_nhw[position]
        assert inside.any() and not inside.all()
        for name in ("image_nhw3", "disparity_nhw", "disparity_valid_nhw"):
            own, other = (getattr(still, name)[index] for index in (position, following))
            found = getattr(mixed, name)[position]
            assert torch.equal(found[inside], other[inside]) and torch.equal(found[~inside], own[~inside])
    assert not mixed.inside_nhw[[0, 3]].any()


def test_one_sweep_meets_every_pseudo_label_once(shards: Path, tmp_path: Path) -> None:
    still = {"perturb": STILL, "augment": {"flip": 0.0}, "aspects": [1.3333], "sources": [], "batch_size": 4}
    batches = batches_of(shards, tmp_path, **still)
    images = torch.cat([batches.batch(step, range(4)).image_nhw3 for step in range(2)])
    assert len({image.numpy().tobytes() for image in images}) == 8


def test_without_labelled_sources_all_are_pseudo_labelled(shards: Path, tmp_path: Path) -> None:
    batch = batches_of(shards, tmp_path, sources=[], batch_size=5).batch(0, range(5))
    assert not batch.is_labelled_n.any() and batch.disparity_valid_nhw.all()


def test_a_batch_that_cannot_hold_the_ratio_is_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"student\.batch_size 8: a multiple of 3 is accepted with 2 pseudo-labelled"):
        batches_of(shards, tmp_path, batch_size=8)
    assert batches_of(shards, tmp_path, batch_size=8, unlabelled_per_labelled=3).batch(0, range(8)).is_labelled_n[4]
