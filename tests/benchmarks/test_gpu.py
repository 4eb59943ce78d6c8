"""The GPU benchmark's arithmetic, and what it says without a GPU; the timing itself needs one."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import has_cuda_device

pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture
def bench(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    for name in ("gpu", "flops"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("gpu")


def test_the_table_and_the_aim_by_hand(bench: ModuleType) -> None:
    near = bench.Row("V2 small", "torch fp16", "640x480", "518x686", 4.0, 2.9, 1.0)
    far = bench.Row("V2 small", "torch fp16", "640x480", "518x686", 4.0, 3.1, 1.0)
    large = bench.Row("V2 small", "torch fp16", "1280x720", "518x924", 4.0, 9.0, 1.0)
    assert (
        bench.table([near]).splitlines()[2]
        == "| V2 small | torch fp16 | 640x480 | 518x686 | 4.00 | 1.00 | 25% | 2.90 |"
    )
    assert bench.missed([near, far, large]) == ["V2 small on torch fp16: 3.10 ms around it, the aim is 3"]


def test_operations_are_those_of_the_published_counts(bench: ModuleType) -> None:
    """ViT-S at 518x518: 115.3 GFLOP, counted independently from the layers' shapes."""
    flops = importlib.import_module("flops")
    assert flops.gigaflops("small", (518, 518)) == pytest.approx(115.3, abs=0.1)


@pytest.mark.slow
def test_the_network_that_is_timed_is_one_that_loads(bench: ModuleType, tmp_path: Path) -> None:
    from depth_anything_ros.networks.weights import load_weights
    from depth_anything_ros.spec import load_spec

    path = bench.write_network(tmp_path, "small")
    spec = load_spec(path.with_suffix(".json"))
    assert spec.torch_weights is not None
    assert load_weights(path.with_name(spec.torch_weights)).config.head == "sigmoid"


@pytest.mark.skipif(has_cuda_device(), reason="there is a GPU: it would be measured")
def test_without_a_gpu_it_says_so(repository: Path) -> None:
    command = [sys.executable, str(repository / "benchmarks" / "gpu.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (2, "gpu.py: error: PyTorch finds no CUDA device\n")
