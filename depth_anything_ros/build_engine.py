"""``depth_anything_ros build-engine``: build a network's TensorRT plan on this machine, check it, and keep it."""

from __future__ import annotations

from depth_anything_ros.engine import load_engine
from depth_anything_ros.engine_options import EngineOptions
from depth_anything_ros.engines.plan_build import duration_words
from depth_anything_ros.engines.plan_cache import PlanCache, PlanRecord
from depth_anything_ros.engines.tensorrt_engine import TensorrtEngine
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.preprocess import network_size


def build_engine(model: str | None, options: EngineOptions, size: tuple[int, int], *, force: bool = False) -> int:
    """Have the plan ready for a camera of ``size`` (width, height) [px], and print its verdict; returns 0.

    ``force`` builds and judges anew what is kept already. Raises a DepthAnythingError where there is no plan that
    passes its check, or none can be built.
    """
    with load_engine(model, options) as engine:
        assert isinstance(engine, TensorrtEngine)
        if options.max_batch > (most := engine.spec.max_batch):
            raise ConfigError(f"max_batch is {options.max_batch}; {engine.spec.name} takes {most} images at most")
        h, w = network_size(*size, engine.spec.resize)
        print(
            f"{engine.spec.name} for images of {size[0]}x{size[1]} (network {w}x{h}) on {engine.info.device},", end=" "
        )
        print(engine.info.version, flush=True)
        info = engine.prepare((h, w), force=force)
        for record in engine.records():
            print(f"  {describe(record)}")
        print(f"{info.engine} {info.precision}: {info.notes[0]}")
        print(f"kept in {engine.source.cache.folder}: run and the node find it there")
    return 0


def list_plans() -> int:
    """Print every plan that is kept, with what it was built for and its verdict; returns 0."""
    cache = PlanCache()
    records = cache.records()
    last = ""
    for record in records:
        key = record.key
        gpu = f"{key.gpu} ({key.compute_capability}, {key.num_multiprocessors} multiprocessors)"
        batch = f", batches up to {key.max_batch}" if key.max_batch > 1 else ""
        head = f"{key.network} {key.width}x{key.height}{batch}, TensorRT {key.tensorrt}, CUDA {key.cuda}, {gpu}"
        if head != last:
            print(head)
        last = head
        print(f"  {describe(record)}; {record.date}")
    print(f"{len(records)} plans in {cache.folder}")
    return 0


def clear_plans() -> int:
    """Remove every plan that is kept and print how much that freed; returns 0."""
    cache = PlanCache()
    freed = cache.clear()
    print(f"{freed / 1e6:.1f} MB removed from {cache.folder}")
    return 0


def describe(record: PlanRecord) -> str:
    """A plan's rung and verdict, and what is known of it, in words."""
    parts = [f"{record.key.rung}: {record.verdict}"]
    if record.reason:
        parts.append(record.reason)
    elif record.golden is not None:
        parts.append(f"abs_rel {record.golden.abs_rel:.1e}, cosine {record.golden.cosine:.6f}")
    if record.plan_bytes:
        parts.append(f"{record.plan_bytes / 1e6:.1f} MB, built in {duration_words(record.build_s)}")
    return "; ".join(parts)
