"""The double of pycuda against the real one. Skipped where it is not installed, as its import needs a driver."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.tensorrt_double.install import installed


@pytest.fixture(scope="module")
def driver() -> ModuleType:
    try:
        module: ModuleType = pytest.importorskip("pycuda.driver", reason="pycuda is not installed")
    except ImportError as error:
        pytest.skip(f"pycuda does not import: {error}")
    return module


def test_the_real_one_has_every_name_of_the_double(driver: ModuleType) -> None:
    with installed(cuda="pycuda") as rig:
        double = rig.modules["pycuda.driver"]
    names = [name for name in vars(double) if not name.startswith("_")]
    assert len(names) > 10
    for name in names:
        assert hasattr(driver, name), name
    for cls in ("Device", "Context", "Stream"):
        own = [name for base in getattr(double, cls).__mro__[:2] for name in vars(base) if not name.startswith("_")]
        assert [name for name in own if not hasattr(getattr(driver, cls), name)] == ["device"] * (cls == "Context")
    for error in ("MemoryError", "LogicError", "LaunchError", "RuntimeError"):
        assert issubclass(getattr(driver, error), driver.Error)


@pytest.mark.gpu
def test_it_sends_bytes_back(driver: ModuleType) -> None:
    from depth_anything_ros.engines.cuda.pycuda import open_cuda

    cuda = open_cuda(0)
    with cuda.current():
        address, up, down = cuda.allocate(5), cuda.allocate_pinned(5), cuda.allocate_pinned(5)
        up[:] = list(b"depth")
        cuda.upload(address, up)
        cuda.download(down, address)
        cuda.synchronize()
        assert bytes(down) == b"depth"
    cuda.close()
