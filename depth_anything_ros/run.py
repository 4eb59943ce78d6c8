"""``depth_anything_ros run``: a recording through the pipeline into an output folder, with a summary at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from depth_anything_ros.engine import DepthEngine, load_engine
from depth_anything_ros.engine_options import EngineOptions
from depth_anything_ros.errors import OutputError
from depth_anything_ros.frame_loop import FrameLoop
from depth_anything_ros.interrupt import Interruption
from depth_anything_ros.outputs import OutputFolder, write_json
from depth_anything_ros.pipeline import DepthPipeline, PipelineOptions
from depth_anything_ros.report import Summary
from depth_anything_ros.results import ResultOptions, ResultWriter
from depth_anything_ros.scale_calibration import load_calibration
from depth_anything_ros.source import Source, open_source
from depth_anything_ros.spec import EngineSpec

EXIT_NOTHING_MADE = 2


@dataclass(frozen=True, kw_only=True)
class RunOptions(ResultOptions):
    """Everything ``run`` can be told; the fields are named as the command's options."""

    source: str
    out: Path
    overwrite: bool = False
    image_topic: str | None = None
    camera_info_topic: str | None = None
    depth_topic: str | None = None
    camera_info: Path | None = None
    rectified: bool = False
    every: int = 1
    max_frames: int | None = None
    model: str | None = None
    """None: the starter, or a wall at 2 m for the engine plane."""
    engine_options: EngineOptions = field(default_factory=EngineOptions)
    scale: float = 1.0
    scale_file: Path | None = None
    min_depth: float | None = None
    max_depth: float | None = None
    edge_ratio: float | None = None
    """None: the pipeline's own; 0: no filter."""
    assumed_fov: float | None = None


def run(options: RunOptions) -> int:
    """Process a recording; print what is used, the progress and the summary. Returns the exit code.

    0 done; 2 nothing came out, or the output could not be written to the end (what was written is complete); 130
    interrupted. Raises a DepthAnythingError for anything that keeps it from starting; nothing was changed then.
    """
    folder = OutputFolder(options.out)
    folder.check(overwrite=options.overwrite, source=options.source)
    pipeline_options = _pipeline_options(options)
    with _open_source(options) as source, load_engine(options.model, options.engine_options) as engine:
        pipeline = DepthPipeline(engine, pipeline_options)
        writer = ResultWriter(folder, _part_of(ResultOptions, options))
        summary = Summary(
            source=source.description,
            camera=source.camera_note,
            engine=engine.info.engine,
            precision=engine.info.precision,
            engine_reason=engine.info.reason,
            model=engine.spec.name,
            model_notice=model_notice(engine.spec),
            notes=[note for note in (*engine.info.notes, *pipeline.notes) if note != engine.spec.description],
        )
        print(_header(summary, options.out, engine), flush=True)
        folder.create(overwrite=options.overwrite, folders=writer.folders)
        with Interruption() as interruption:
            loop = FrameLoop(source, pipeline, writer, summary, interruption)
            loop.process(Path(options.source).resolve().name, every=options.every, max_frames=options.max_frames)
            _finish(folder, summary, (*pipeline.notes, *source.notes))
    if summary.problem:
        print(f"depth_anything_ros: error: {summary.problem}", file=sys.stderr)
    if interruption.is_requested:
        return interruption.exit_code
    return EXIT_NOTHING_MADE if summary.problem else 0


def model_notice(spec: EngineSpec) -> str:
    """What to know of a network before trusting its metres.

    A starter (its spec's name begins with it) says so, with its measured errors: the entries of the spec's provenance
    whose keys begin with "measured".
    """
    if not spec.artifact:
        return spec.description
    if not spec.name.startswith("starter"):
        return f"{spec.description} (licence {spec.licence.id})"
    figures = ((key.replace("_", " "), value) for key, value in spec.provenance.items() if key.startswith("measured"))
    measured = "; ".join(f"{key}: {value}" for key, value in figures)
    return (
        "a small starter network, so that the first run needs no download"
        + (f"; {measured}" if measured else "")
        + ". Real weights are one option away: --model FILE.onnx"
    )


def _finish(folder: OutputFolder, summary: Summary, notes: Iterable[str]) -> None:
    summary.notes += [note for note in notes if note not in summary.notes]
    summary.outputs["summary.json"] = "this summary"
    try:
        write_json(folder.path / "summary.json", summary.as_dict())
    except OutputError as error:
        del summary.outputs["summary.json"]
        summary.problem = summary.problem or str(error)
    print(summary.as_text())


def _pipeline_options(options: RunOptions) -> PipelineOptions:
    changed: dict[str, Any] = {
        "min_depth_m": options.min_depth,
        "max_depth_m": options.max_depth,
        "scale": options.scale,
    }
    if options.scale_file is not None:
        changed["calibration"] = load_calibration(options.scale_file)
    if options.edge_ratio is not None:
        changed["edge_ratio"] = options.edge_ratio or None
    if options.assumed_fov is not None:
        changed["assumed_hfov_deg"] = options.assumed_fov
    return PipelineOptions(**changed)


def _part_of(cls: type[ResultOptions], options: RunOptions) -> ResultOptions:
    return cls(**{field.name: getattr(options, field.name) for field in fields(cls)})


def _open_source(options: RunOptions) -> Source:
    return open_source(
        options.source,
        image_topic=options.image_topic,
        camera_info_topic=options.camera_info_topic,
        depth_topic=options.depth_topic,
        camera_info=options.camera_info,
        rectified=options.rectified,
    )


def _header(summary: Summary, out: Path, engine: DepthEngine) -> str:
    lines = {
        "source": summary.source,
        "camera": summary.camera,
        "network": f"{summary.model}: {summary.model_notice}",
        "engine": f"{engine.info.engine} {engine.info.precision} on {engine.info.device} ({engine.info.reason})",
        "output": str(out),
    }
    return "\n".join(f"{key + ':':<9}{value}" for key, value in lines.items())
