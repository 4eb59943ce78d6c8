"""Stage ``pseudo_label``: the teacher over images without labels, shard by shard.

Depth Anything V1 and V2 label 62 million images once, clean, with the teacher (V1, section 3.2; V2, section 5). How the
labels are stored neither says; ours are 16-bit disparities (``shard_writer``). The list of images is made first, and
kept, so that a shard is the same set of images whenever the stage goes on; a shard is whole or not there. With workers
on several machines ``out`` must be a folder that all of them see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from depth_anything_ros.errors import ConfigError, SourceError

from .config import STAGES, Recipe
from .label_workers import label_shards
from .predictor import model_sha256
from .run_dir import RunDir, write_json
from .shard_labeller import LabelJob
from .shard_writer import FORMAT_VERSION, INDEX, read_manifest, shard_name
from .stage_configs import PseudoLabelConfig
from .stages import checkpoint_of, is_done, stage_folder
from .start_weights import CHECKPOINT_SUFFIX
from .unlabelled import ImageReference, WorkList, list_images

STAGE = "pseudo_label"
SKIPPED = ("corrupt", "duplicate", "unlabelled")
"""Why an image has no label: it cannot be read, is a copy of another, or the teacher gave nothing finite."""


def run(recipe: Recipe) -> Path:
    """Label all images of the recipe; returns the folder of shards, which the source ``pseudo`` reads.

    Goes on where it stopped. Raises ConfigError for a recipe that cannot be, or shards of another teacher in the
    folder; SourceError for images that cannot be found, or where none could be labelled; OutputError where the disk
    refuses; and what the teacher raises.
    """
    config: PseudoLabelConfig = recipe.section(STAGE)
    if is_done(recipe, STAGE):
        return stage_folder(recipe, STAGE)
    if not config.images:
        raise ConfigError(f"{STAGE}.images: at least one folder, list, shard, bag or video is needed")
    teacher = _teacher_of(recipe, config.teacher)
    with RunDir(recipe, STAGE) as run_dir:
        folder = run_dir.path
        for unfinished in folder.glob(".shard_*"):
            unfinished.unlink()
        work = _work_list(folder, config)
        job = LabelJob(
            folder=str(folder),
            teacher=teacher,
            teacher_sha256=model_sha256(teacher),
            short_side=config.short_side,
            interpolation=recipe.interpolation,
            batch_size=config.batch_size,
            precision="bf16" if recipe.compute.precision == "bf16" else "auto",
            threads=recipe.compute.threads,
        )
        waiting = [shard for shard in range(len(work)) if not _is_complete(folder, shard, job)]
        done = work.num_images - sum(map(work.size, waiting))
        with tqdm(total=work.num_images, initial=done, desc=STAGE, unit=" images", smoothing=0.1) as progress:
            label_shards(job, waiting, config.workers, progress.update)
        index = _index(folder, len(work), job)
        write_json(folder / INDEX, index)
        run_dir.mark_done()
    counts = ", ".join(f"{index['skipped'][cause]} {cause}" for cause in SKIPPED)
    print(f"{STAGE}: {index['samples']} of {index['images']} images in {len(index['shards'])} shards; {counts}")
    return folder


def _teacher_of(recipe: Recipe, name: str) -> str:
    if name in STAGES or Path(name).suffix == CHECKPOINT_SUFFIX:
        return str(checkpoint_of(recipe, name))
    return name


def _work_list(folder: Path, config: PseudoLabelConfig) -> WorkList:
    if WorkList.is_written(folder):
        return WorkList(folder)
    found = tqdm(_all_images(config.images, config.frame_every), desc=f"{STAGE}: looking for images", unit=" images")
    return WorkList.write(folder, found, chunk_images=config.shard_images)


def _all_images(entries: Sequence[str], frame_every: int) -> Iterator[ImageReference]:
    for entry in entries:
        yield from list_images(entry, frame_every=frame_every)


def _is_complete(folder: Path, shard: int, job: LabelJob) -> bool:
    manifest = read_manifest(folder, shard)
    if manifest is None:
        return False
    found = manifest["teacher"]["sha256"]
    if found != job.teacher_sha256:
        raise ConfigError(
            f"{folder / shard_name(shard)}.json: labelled by a teacher with SHA-256 {found[:12]}…, {job.teacher} has "
            f"{job.teacher_sha256[:12]}…; take another out, or remove the folder"
        )
    return True


def _index(folder: Path, num_shards: int, job: LabelJob) -> dict[str, Any]:
    shards, images, skipped = [], 0, dict.fromkeys(SKIPPED, 0)
    first_problem = ""
    for number in range(num_shards):
        manifest = read_manifest(folder, number)
        if manifest is None:
            raise SourceError(f"{folder / shard_name(number)}: the shard vanished; run the stage again")
        shards.append({"name": shard_name(number), "samples": manifest["samples"]})
        images += manifest["images"]
        for cause in SKIPPED:
            skipped[cause] += len(manifest["skipped"][cause])
            first_problem = first_problem or next((reason for _, reason in manifest["skipped"][cause]), "")
    samples = sum(shard["samples"] for shard in shards)
    if samples == 0:
        raise SourceError(f"{folder}: none of {images} images could be labelled; the first: {first_problem}")
    return {
        "format_version": FORMAT_VERSION,
        "quantity": "disparity",
        "teacher": {"name": job.teacher, "sha256": job.teacher_sha256},
        "short_side": job.short_side,
        "interpolation": job.interpolation,
        "images": images,
        "samples": samples,
        "skipped": skipped,
        "shards": shards,
    }
