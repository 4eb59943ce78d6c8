from __future__ import annotations

import numpy as np
import pytest

from tests.training.sources.scenes import ALONG_Y, CAMERA, finish, grey_builder
from training.sources.synthetic import (
    FIRST_TRAINING_SEED,
    KINDS,
    RenderedView,
    Sensor,
    build_scene,
    choose_camera,
    hits,
    kind_of,
    render_sample,
    render_view,
)

SMALL = {"width": 48, "height": 36}


@pytest.fixture(scope="module")
def views() -> dict[str, RenderedView]:
    return {kind: render_sample(21, kind=kind, **SMALL) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_view_has_its_shapes_and_types(views: dict[str, RenderedView], kind: str) -> None:
    view = views[kind]
    assert view.image_HW3.shape == (36, 48, 3) and view.image_HW3.dtype == np.uint8
    assert view.depth_HW.shape == (36, 48) and view.depth_HW.dtype == np.float32
    assert view.sky_HW.dtype == bool and view.kind == kind
    assert view.depth_HW.min() > 0 and not np.isnan(view.depth_HW).any()
    assert 20 < np.degrees(2 * np.arctan(24 / view.fx)) < 100
    assert abs(view.cx - 23.5) < 4 and abs(view.cy - 17.5) < 4
    assert view.image_HW3.std() > 5


def test_sky_is_infinite_and_only_outdoors(views: dict[str, RenderedView]) -> None:
    for view in views.values():
        np.testing.assert_array_equal(view.sky_HW, np.isposinf(view.depth_HW))
    assert views["outdoor"].sky_HW.any()
    for seed in range(40, 46):
        for kind in ("room", "tabletop"):
            scene = build_scene(seed, kind)
            pose, lens = choose_camera(scene, seed, 32, 24)
            assert np.isfinite(hits(scene, lens, pose)[0]).all(), (seed, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_seed_decides_everything(kind: str) -> None:
    first, second = (render_sample(33, kind=kind, width=32, height=24) for _ in range(2))
    np.testing.assert_array_equal(first.image_HW3, second.image_HW3)
    np.testing.assert_array_equal(first.depth_HW, second.depth_HW)
    other = render_sample(34, kind=kind, width=32, height=24)
    assert (other.depth_HW != first.depth_HW).mean() > 0.9


def test_kinds_come_in_their_shares() -> None:
    kinds = [kind_of(seed) for seed in range(1000, 3000)]
    for kind, share in zip(KINDS, (0.60, 0.25, 0.15), strict=True):
        assert kinds.count(kind) / len(kinds) == pytest.approx(share, abs=0.04)


def test_unknown_kind_names_the_accepted_ones() -> None:
    with pytest.raises(ValueError, match=r"'cave'.*room, tabletop, outdoor"):
        build_scene(1, "cave")


def test_cameras_stand_free_and_see_depth() -> None:
    for seed in range(50, 58):
        scene = build_scene(seed)
        pose, lens = choose_camera(scene, seed, 32, 24)
        assert not scene.inside(pose.position, 0.05), seed
        depth = hits(scene, lens, pose)[0]
        seen = depth[np.isfinite(depth)]
        assert (seen < 0.25).mean() < 0.5, seed
        assert np.percentile(seen, 95) / np.percentile(seen, 5) > 1.15, seed


def test_block_throws_its_shadow_where_geometry_says() -> None:
    """The lamp at (0.5, -1, 3) over a block 1.25 to 1.75 m high at y = 2: dark ground from y = 4.14 to y = 6.2."""
    clean = Sensor(exposure=0.5, read_noise=0.0, shot_noise=0.0, vignette=0.0)
    pictures = []
    for blocked in (False, True):
        builder, grey = grey_builder()
        builder.at(0, 0).box((0, 5, -0.05), (30, 30, 0.1), grey)
        if blocked:
            builder.at(0, 0).box((0.25, 2.0, 1.5), (3.0, 0.01, 0.5), grey)
        pictures.append(render_view(finish(builder, lamp=60.0), ALONG_Y, CAMERA, sensor=clean))
    ratio = pictures[1].image_HW3[:, 20, 1] / np.maximum(pictures[0].image_HW3[:, 20, 1].astype(float), 1)
    distance = pictures[0].depth_HW[:, 20]
    shaded, lit = (distance > 4.4) & (distance < 5.8), (distance < 3.6) | ((distance > 8.0) & (distance < 11.0))
    assert shaded.sum() >= 2 and lit.sum() >= 3
    assert ratio[shaded].max() < 0.85 and ratio[lit].min() > 0.93


def test_training_seeds_leave_a_reserve() -> None:
    assert FIRST_TRAINING_SEED == 1000


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_cuda_renders_what_the_cpu_renders(kind: str) -> None:
    first, second = (render_sample(33, kind=kind, device=device, **SMALL) for device in ("cpu", "cuda"))
    near = np.isfinite(first.depth_HW) & (first.depth_HW < 100)
    # A ray along an edge may fall to either side of it.
    assert (np.abs(second.depth_HW[near] / first.depth_HW[near] - 1) < 1e-4).mean() > 0.995
    assert np.abs(first.image_HW3.astype(float) - second.image_HW3).mean() < 2.0


def test_styles_share_the_scene_and_differ_in_looks() -> None:
    full, plain = (render_sample(21, style=style, **SMALL) for style in ("full", "plain"))
    assert np.array_equal(full.depth_HW, plain.depth_HW)
    assert np.mean(full.image_HW3.astype(float) - plain.image_HW3) != 0
    # One colour per surface and a clean camera: neighbours differ less than under textures and noise.
    rough, smooth = (np.median(np.abs(np.diff(view.image_HW3.astype(float), axis=1))) for view in (full, plain))
    assert smooth < 0.7 * rough
    with pytest.raises(ValueError, match="unknown style 'cartoon'"):
        render_sample(21, style="cartoon", **SMALL)
