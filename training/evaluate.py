"""Stage ``evaluate``: the core's metrics on labelled samples, a table, JSON, and pictures of some frames.

Any network is measured: a stage of the run, a checkpoint, an exported engine, a fetched one. Metric networks are
answered for in metres of each sample's camera, with the node's own resizing, focal scale and enlargement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from depth_anything_ros.engine import resolve_artifact
from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.fingerprint import TrainedFrames
from depth_anything_ros.preprocess import network_size, resize_to_network
from depth_anything_ros.resample import upsample_depth
from depth_anything_ros.scale import network_focal_px
from depth_anything_ros.spec import load_spec, spec_path_of

from .config import STAGES, Recipe
from .evaluation_frames import FrameLog, FrameRecord
from .evaluation_report import TABLE, Report, to_markdown, write_report
from .predictor import Predictor, open_predictor
from .run_dir import RunDir
from .samples import DepthSample, SampleSource
from .scores import Answer, Comparison, Protocol, compare
from .sources import open_source
from .stage_configs import EvaluateConfig
from .stages import DONE, checkpoint_of, fingerprint, is_done, stage_folder
from .start_weights import CHECKPOINT_SUFFIX, is_weights

FRAMES = "frames.jsonl"
"""One line a frame, written as it is measured: an interrupted evaluation goes on behind them."""


@dataclass(frozen=True)
class LabelledSource:
    """The samples of one entry of ``evaluate.sources``."""

    label: str
    samples: SampleSource
    protocol: Protocol


def run(recipe: Recipe) -> Path:
    """Measure ``evaluate.model`` on ``evaluate.sources``; returns the table, beside which the rest lies.

    Raises ConfigError for a model that is not there yet, SourceError where no frame has depth that counts.
    """
    folder = stage_folder(recipe, "evaluate")
    if is_done(recipe, "evaluate"):
        return folder / TABLE
    config = recipe.section("evaluate")
    model = model_of(recipe, config.model)
    sources = open_sources(recipe)
    with RunDir(recipe, "evaluate") as run_dir, open_predictor(model, threads=recipe.compute.threads) as predictor:
        focal_px = training_focal_px(model)
        measurement = Measurement(predictor, config, sources, training_focal_px=focal_px)
        header = {"sha256": predictor.sha256, "fingerprint": fingerprint(recipe, "evaluate")}
        with FrameLog(folder / FRAMES, header) as log:
            records = measurement.records(log)
        if not any(record.figures for record in records):
            raise SourceError(
                f"{recipe.name}: evaluate.sources: none of {len(records)} frames has depth that counts; the limits are"
                f" {config.min_depth_m:g} and {config.max_depth_m:g} m"
            )
        report = Report(
            model=predictor.name,
            sha256=predictor.sha256,
            meaning=predictor.meaning,
            training_focal_px=focal_px,
            output=measurement.output,
            space=config.space,
            resize=predictor.resize,
            protocols={source.label: source.protocol for source in sources},
            edges_m=config.ranges_m,
            records=records,
        )
        table = write_report(folder, report, pictures=config.pictures, measure=measurement.again)
        run_dir.mark_done()
    print(to_markdown(report))
    return table


class Measurement:
    """One network on the sources of one evaluation."""

    def __init__(
        self,
        predictor: Predictor,
        config: EvaluateConfig,
        sources: Sequence[LabelledSource],
        *,
        training_focal_px: float | None,
    ) -> None:
        self.output = output_of(predictor)
        self._answer = answer_of(predictor, training_focal_px=training_focal_px)
        self._config, self._sources = config, sources
        self._seen = TrainedFrames(predictor.trained_frames)

    def records(self, log: FrameLog) -> tuple[FrameRecord, ...]:
        """A record of every frame, those that ``log`` holds already not measured again."""
        records = []
        total = sum(len(source.samples) for source in self._sources)
        with tqdm(total=total, desc="evaluate", unit="frame", dynamic_ncols=True) as progress:
            for number, source in enumerate(self._sources):
                for index in range(len(source.samples)):
                    if (number, index) not in log.known:
                        sample, compared = self._measure(number, index)
                        seen = self._seen.contains(sample.image_HW3)
                        log.add(FrameRecord.of(number, index, source.label, sample.source, compared, seen=seen))
                    records.append(log.known[number, index])
                    progress.update()
        return tuple(records)

    def again(self, record: FrameRecord) -> tuple[DepthSample, Comparison | None]:
        """The sample of a record and its comparison, measured once more."""
        return self._measure(record.number, record.index)

    def _measure(self, number: int, index: int) -> tuple[DepthSample, Comparison | None]:
        source = self._sources[number]
        sample = source.samples[index]
        compared = compare(
            self._answer(sample), sample, source.protocol,
            output=self.output, space=self._config.space, edges_m=self._config.ranges_m,
        )  # fmt: skip
        return sample, compared


def open_sources(recipe: Recipe) -> tuple[LabelledSource, ...]:
    """The labelled sources of ``evaluate``, named as the recipe names them."""
    config = recipe.section("evaluate")
    opened: dict[str, LabelledSource] = {}
    for entry, item in zip(config.sources, recipe.sources(config.sources), strict=True):
        name = entry if isinstance(entry, str) else f"{item.kind} {Path(item.path).name}"
        label = name if name not in opened else f"{name} ({len(opened) + 1})"
        samples = open_source(item.kind, item.path, item.options, first=item.first, last=item.last)
        opened[label] = LabelledSource(label, samples, config.protocol(name))
    return tuple(opened.values())


def model_of(recipe: Recipe, name: str) -> Path | str:
    """What ``open_predictor`` takes for a stage of this run, a checkpoint, or the name or path of an engine."""
    if name == "export":
        folder = stage_folder(recipe, name)
        if not (folder / DONE).is_file():
            raise ConfigError(
                f"{folder}: stage export is not done; run it first: python -m training export --recipe ..."
            )
        return folder
    is_checkpoint = name in STAGES or Path(name).suffix == CHECKPOINT_SUFFIX
    return checkpoint_of(recipe, name, strict=False) if is_checkpoint else name


def training_focal_px(model: Path | str) -> float | None:
    """Focal length that a metric_fixed engine answers for, where its spec knows it [px of the network's input]."""
    if is_weights(model):
        return None
    return load_spec(spec_path_of(resolve_artifact(model))).training_focal_px


def output_of(predictor: Predictor) -> str:
    """Which of ``scores.OUTPUTS`` the answers of ``answer_of`` are."""
    return predictor.quantity if predictor.meaning == "relative" else "metres"


def answer_of(predictor: Predictor, *, training_focal_px: float | None = None) -> Answer:
    """A predictor as a function of samples: metres of the sample's camera, or relative values, at its size.

    ``training_focal_px`` is the focal length that a metric_fixed network answers for [px of its input]; without one its
    output is taken as it is, as Depth Anything V2's own evaluation does.
    """
    answered_px = predictor.canonical_focal_px or training_focal_px

    def answer(sample: DepthSample) -> NDArray[np.float32]:
        width, height = sample.camera.width, sample.camera.height
        size_hw = network_size(width, height, predictor.resize)
        image = resize_to_network(sample.image_HW3, size_hw, predictor.resize.interpolation)
        values = predictor.predict(image[None])[0]
        if predictor.quantity == "disparity":
            return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        if predictor.meaning != "relative" and answered_px:
            values = values * np.float32(network_focal_px(sample.camera, *size_hw) / answered_px)
        return upsample_depth(values, (height, width))

    return answer
