"""``StudentBatches``: labelled samples, and pseudo-labelled ones whose images are perturbed and mixed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from depth_anything_ros.errors import ConfigError

from .batches import LabelledBatches, batch_size_px
from .fit_config import SourceConfig
from .perturb import cut_mix, draw_cutmix_box, perturb_image
from .samples import DepthSample
from .stage_configs import StudentConfig


@dataclass(frozen=True)
class StudentBatch:
    """Tensors of one step: image uint8 (n, h, w, 3), the rest (n, h, w) but for ``is_labelled_n``."""

    image_nhw3: torch.Tensor
    """What the student and the frozen encoder see."""
    disparity_nhw: torch.Tensor
    """Label or pseudo-label, mixed as the images were; 0 where not ``disparity_valid_nhw``."""
    disparity_valid_nhw: torch.Tensor
    inside_nhw: torch.Tensor
    """True in the box of CutMix, nowhere where there is none."""
    is_labelled_n: torch.Tensor


@dataclass(frozen=True)
class _Row:
    image_HW3: NDArray[np.uint8]
    disparity_HW: NDArray[np.float32]
    inside_HW: NDArray[np.bool_]


class StudentBatches:
    """A ``BatchSource``. Every group of 1 + ``unlabelled_per_labelled`` positions begins with a labelled sample, so
    that any part of a batch is mixed like the whole; without labelled sources all are pseudo-labelled (V2).

    A pseudo-labelled image is mixed with the next one of the same step; both are perturbed first. The labelled images
    get the weak augmentation alone. One sweep over the pseudo-labels meets the labelled samples over and over.
    """

    def __init__(
        self,
        config: StudentConfig,
        labelled: Sequence[SourceConfig],
        pseudo: Sequence[SourceConfig],
        *,
        seed: int,
        interpolation: str,
    ) -> None:
        self._config, self._seed = config, seed
        self._group = 1 + config.unlabelled_per_labelled if labelled else 0
        self._num_labelled = config.batch_size // self._group if labelled else 0
        if labelled and config.batch_size % self._group:
            raise ConfigError(
                f"student.batch_size {config.batch_size}: a multiple of {self._group} is accepted with "
                f"{config.unlabelled_per_labelled} pseudo-labelled samples per labelled one"
            )
        self._num_pseudo = config.batch_size - self._num_labelled
        self._pseudo = LabelledBatches(
            dataclasses.replace(config, batch_size=self._num_pseudo), pseudo, seed=seed + 1, interpolation=interpolation
        )
        self._labelled: LabelledBatches | None = None
        if labelled:
            config = dataclasses.replace(config, batch_size=self._num_labelled)
            self._labelled = LabelledBatches(config, labelled, seed=seed, interpolation=interpolation)

    def batch(self, step: int, positions: range) -> StudentBatch:
        """See ``BatchSource``."""
        size_px = batch_size_px(self._config, seed=self._seed, step=step)
        made: dict[int, DepthSample] = {}
        rows, is_labelled = [], []
        for position in positions:
            group, place = divmod(position, self._group) if self._group else (0, 1)
            if place == 0 and self._labelled:
                sample = self._labelled.sample(step, group, *size_px)
                rows.append(_Row(sample.image_HW3, sample.disparity_HW, np.zeros(size_px, np.bool_)))
            else:
                index = position - group - 1 if self._group else position
                rows.append(self._mixed(step, index, size_px, made))
            is_labelled.append(place == 0)
        disparity = np.stack([row.disparity_HW for row in rows])
        valid = np.isfinite(disparity)
        return StudentBatch(
            image_nhw3=torch.from_numpy(np.stack([row.image_HW3 for row in rows])),
            disparity_nhw=torch.from_numpy(np.where(valid, disparity, np.float32(0))),
            disparity_valid_nhw=torch.from_numpy(valid),
            inside_nhw=torch.from_numpy(np.stack([row.inside_HW for row in rows])),
            is_labelled_n=torch.tensor(is_labelled),
        )

    def _mixed(self, step: int, index: int, size_px: tuple[int, int], made: dict[int, DepthSample]) -> _Row:
        """The pseudo-labelled sample ``index`` of a step, with a part of the next one where it draws CutMix."""
        own = self._perturbed(step, index, size_px, made)
        box = draw_cutmix_box(*size_px, self._config.perturb, np.random.default_rng([self._seed, step, index, 3]))
        inside = box.inside_hw
        other = (index + 1) % self._num_pseudo
        if not inside.any() or other == index:
            return _Row(own.image_HW3, own.disparity_HW, np.zeros_like(inside))
        partner = self._perturbed(step, other, size_px, made)
        return _Row(
            cut_mix(partner.image_HW3, own.image_HW3, box),
            cut_mix(partner.disparity_HW, own.disparity_HW, box),
            inside,
        )

    def _perturbed(self, step: int, index: int, size_px: tuple[int, int], made: dict[int, DepthSample]) -> DepthSample:
        if index not in made:
            sample = self._pseudo.sample(step, index, *size_px)
            rng = np.random.default_rng([self._seed, step, index, 2])
            made[index] = sample.replace(image_HW3=perturb_image(sample.image_HW3, self._config.perturb, rng))
        return made[index]
