"""Sky for samples that do not know theirs: from masks on disk, or from a semantic segmenter of ``transformers``.

Depth Anything V1 finds sky with a pre-trained segmenter (its reference is SegFormer) and sets its disparity to 0 where
the image has no label of its own there (LiheYoung/Depth-Anything issue 206): a measured pixel stays what it is. In a
sample of disparity, whose 0 is arbitrary, sky gets the least disparity of its image, which is what the paper's
normalisation to 0..1 makes of it.
"""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.errors import ConfigError, MissingDependency, OutputError, SourceError

from .samples import DepthSample, SampleSource
from .sources.images import read_map

DEFAULT_SIDE_PX = 512
"""Height and width of the segmenter's input where its folder has no preprocessor_config.json: SegFormer's."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def with_sky(source: SampleSource, sky: str = "", sky_masks: str = "") -> SampleSource:
    """The samples of ``source`` with sky where they do not know theirs.

    ``sky``: folder of a segmenter (config.json, model.safetensors) that has a class sky. ``sky_masks``: folder of this
    source's masks, ``<sample's source>.png`` with sky not 0; what is not there yet is written, if there is a segmenter,
    so that every image is segmented once and not once a sweep. Raises ConfigError without either, SourceError for
    folders that are not such.
    """
    if not sky and not sky_masks:
        raise ConfigError("neither sky (a segmenter's folder) nor sky_masks (a folder of masks) is given")
    segmenter = SkySegmenter(Path(sky)) if sky else None
    masks = Path(sky_masks) if sky_masks else None
    if segmenter is None and masks is not None and not masks.is_dir():
        raise SourceError(f"{masks}: no such folder of sky masks, and no segmenter (sky) to write them")
    return SkyMarked(source, segmenter, masks)


def mark_sky(sample: DepthSample, sky_HW: NDArray[np.bool_]) -> DepthSample:
    """The sample with sky where ``sky_HW`` (H, W) has it and the sample has nothing."""
    sky = sky_HW & np.isnan(sample.depth_HW)
    marked = sample.depth_HW.copy()
    if sample.quantity == "depth":
        marked[sky] = np.inf
        return sample.replace(depth_HW=marked, sky_known=True)
    valid = sample.valid_HW
    if valid.any():
        marked[sky] = marked[valid].min()
    return sample.replace(depth_HW=marked)


class SkyMarked:
    """Samples of another source, with sky; see ``with_sky``."""

    def __init__(self, source: SampleSource, segmenter: SkySegmenter | None, masks: Path | None) -> None:
        self._source, self._segmenter, self._masks = source, segmenter, masks

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> DepthSample:
        sample = self._source[index]
        return sample if sample.sky_known else mark_sky(sample, self._sky(sample))

    def _sky(self, sample: DepthSample) -> NDArray[np.bool_]:
        file = None if self._masks is None else self._masks / f"{sample.source}.png"
        if file is not None and file.is_file():
            return _read(file, sample)
        if self._segmenter is None:
            raise SourceError(f"{file}: no such mask, and no segmenter (sky) to make it")
        sky = self._segmenter(sample.image_HW3)
        if file is not None:
            _write(file, sky)
        return sky


class SkySegmenter:
    """A semantic segmenter of ``transformers`` (SegFormer or its like), asked for the class sky.

    Parameters
    ----------
    folder: config.json, whose ``id2label`` has sky, and model.safetensors; preprocessor_config.json where there is one.

    The network is loaded when it is first asked, in each process for itself. Raises SourceError for another folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        labels = _read_json(folder / "config.json").get("id2label", {})
        self.classes = [int(number) for number, label in labels.items() if "sky" in re.split(r"[^a-z]+", label.lower())]
        if not self.classes:
            raise SourceError(f"{folder / 'config.json'}: none of its {len(labels)} classes (id2label) is sky")
        if not (folder / "model.safetensors").is_file():
            raise SourceError(f"{folder}: no model.safetensors")
        processor = folder / "preprocessor_config.json"
        values = _read_json(processor) if processor.is_file() else {}
        self.size = _input_size(values.get("size", DEFAULT_SIDE_PX), processor)
        self._mean, self._std = (np.array(values.get(name, default), np.float32) for name, default in (
            ("image_mean", MEAN), ("image_std", STD),
        ))  # fmt: skip
        self._lock = threading.Lock()
        self._network: Any = None

    def __reduce__(self) -> tuple[type[SkySegmenter], tuple[Path]]:
        return SkySegmenter, (self.folder,)

    def __call__(self, image_HW3: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Where there is sky (H, W) in the RGB image (H, W, 3)."""
        import torch

        height, width = self.size
        resized = cv2.resize(image_HW3, (width, height), interpolation=cv2.INTER_LINEAR)
        values = (resized.astype(np.float32) / 255 - self._mean) / self._std
        with self._lock:
            if self._network is None:
                self._network = self._load()
            with torch.inference_mode():
                logits = self._network(pixel_values=torch.from_numpy(values.transpose(2, 0, 1)[None])).logits
        full = torch.nn.functional.interpolate(logits, size=image_HW3.shape[:2], mode="bilinear", align_corners=False)
        return np.asarray(np.isin(full[0].argmax(dim=0).numpy(), self.classes))

    def _load(self) -> Any:
        try:
            from safetensors import SafetensorError
            from transformers import AutoModelForSemanticSegmentation
        except ImportError:
            raise MissingDependency("transformers", "train") from None
        try:
            network, found = AutoModelForSemanticSegmentation.from_pretrained(
                self.folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise SourceError(f"{self.folder}: no segmenter ({str(error).splitlines()[0]})") from None
        # transformers itself fills what is missing with random numbers and goes on.
        if found["missing_keys"]:
            raise SourceError(
                f"{self.folder}: model.safetensors lacks {sorted(found['missing_keys'])[0]} of this network"
            )
        return network.eval()


def _read_json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise SourceError(f"{file}: no such file; the folder of a segmenter of transformers is expected") from None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise SourceError(f"{file}: no JSON object; the folder of a segmenter of transformers is expected")
    return values


def _input_size(size: Any, place: Path) -> tuple[int, int]:
    """Height and width [px]; older files give one number for both."""
    try:
        return (int(size["height"]), int(size["width"])) if isinstance(size, dict) else (int(size), int(size))
    except (KeyError, TypeError, ValueError):
        raise SourceError(f"{place}: size {size!r}; a number or height and width are expected") from None


def _read(file: Path, sample: DepthSample) -> NDArray[np.bool_]:
    sky = read_map(file, channel=0) > 0
    if sky.shape != sample.depth_HW.shape:
        raise SourceError(f"{file}: {sky.shape}; the size of {sample.source}, {sample.depth_HW.shape}, is expected")
    return np.asarray(sky)


def _write(file: Path, sky_HW: NDArray[np.bool_]) -> None:
    encoded = cv2.imencode(".png", sky_HW.astype(np.uint8) * 255)[1]
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(encoded.tobytes())
        unfinished.replace(file)
    except OSError as error:
        raise OutputError(f"{file}: the sky mask cannot be written ({error.strerror})") from None
