from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.sources.scenes import ALONG_Y, CAMERA, finish, grey_builder
from training.sources.synthetic import Pinhole, Pose, Scene, build_scene, choose_camera, hits, look
from training.sources.synthetic.primitives import BOX, FRUSTUM, PLANE, SPHERE, hit_unit
from training.sources.synthetic.scene import rotation_x


def depth_of(scene: Scene) -> np.ndarray:
    return hits(scene, CAMERA, ALONG_Y)[0]


def test_wall_facing_the_camera_has_one_planar_depth() -> None:
    builder, grey = grey_builder()
    builder.at(0, 0).box((0, 3.5, 1), (20, 1, 20), grey)
    np.testing.assert_allclose(depth_of(finish(builder)), 3.0, rtol=2e-6)


def test_sphere_is_hit_at_its_front_and_missed_beside() -> None:
    builder, grey = grey_builder()
    builder.at(0, 0).ball((0, 4, 1), 0.5, grey)
    depth = depth_of(finish(builder))
    assert depth[15, 20] == pytest.approx(3.5, abs=2e-6)
    # Ray (4/40, 1) to the circle x^2 + (z-4)^2 = 0.25: 1.01 z^2 - 8 z + 15.75 = 0.
    assert depth[15, 24] == pytest.approx((8 - np.sqrt(64 - 4 * 1.01 * 15.75)) / 2.02, abs=1e-5)
    assert np.isinf(depth[15, 26])


def test_box_shows_front_and_side_faces() -> None:
    builder, grey = grey_builder()
    builder.at(0, 0).box((1.0, 3.0, 1.0), (1.0, 2.0, 1.0), grey)
    depth = depth_of(finish(builder))
    assert depth[15, 32] == pytest.approx(2.0, abs=2e-6)  # x = 0.3 z meets the front y = 2 at x = 0.6
    assert depth[15, 40] == pytest.approx(2.0, abs=2e-6)  # x = 1.0 on the front
    assert depth[15, 28] == pytest.approx(2.5, abs=3e-6)  # x = 0.2 z meets the side x = 0.5 at z = 2.5
    assert np.isinf(depth[15, 20])


def test_cylinder_side_and_cone_follow_closed_forms() -> None:
    builder, grey = grey_builder()
    builder.at(0, 0).rod(0, 5, 0, 1.0, 4.0, grey, 0.5)
    depth = depth_of(finish(builder))
    # Radius at height z is 1 - z / 8; at eye height 1 the front is 5 - 0.875.
    assert depth[15, 20] == pytest.approx(4.125, abs=1e-5)
    # One row up: height 1 + t / 42, front at t = 5 - (1 - (1 + t / 42) / 8).
    assert depth[14, 20] == pytest.approx(4.125 / (1 - 1 / 336), abs=1e-5)


def test_tilted_plane_agrees_with_its_closed_form() -> None:
    builder, grey = grey_builder()
    angle = 0.4
    builder.at(0, 0).tilted(rotation_x(angle)).sheet((0, 0, 0), (np.inf, np.inf), grey)
    depth = depth_of(finish(builder)).astype(np.float64)
    normal = np.array([0.0, -np.sin(angle), np.cos(angle)])
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, np.ones(u.shape), -(v - CAMERA.cy) / CAMERA.fy], -1)
    closed = -(normal @ ALONG_Y.position) / (rays @ normal)
    assert (closed > 0).all()
    np.testing.assert_allclose(depth, closed, rtol=2e-5)


def test_finite_sheet_ends_at_its_edge() -> None:
    builder, grey = grey_builder()
    builder.at(0, 0).sheet((0, 6.0, 0), (1.0, 4.0), grey)
    depth = depth_of(finish(builder))
    seen = np.isfinite(depth)
    assert seen.any()
    assert depth[seen].min() >= 4.0 - 1e-4 and depth[seen].max() <= 8.0 + 1e-4
    # Five rows below the horizon the ground is at 42 / 5 m, beyond the sheet; six rows below at 7 m, on it.
    assert not seen[20, 20] and depth[21, 20] == pytest.approx(7.0, abs=1e-5)
    # There the sheet's half metre to the side is 40 / 14 columns.
    assert seen[21].nonzero()[0].tolist() == [18, 19, 20, 21, 22]


def test_ray_from_inside_a_box_hits_the_far_side() -> None:
    t = hit_unit(BOX, 1.0, torch.zeros(3, 1), torch.tensor([[0.5], [0.0], [0.0]]))
    assert t.item() == pytest.approx(2.0)


def test_primitive_behind_the_camera_is_unseen() -> None:
    builder, grey = grey_builder()
    builder.at(0, 0).box((0, -3, 1), (20, 1, 20), grey)
    assert np.isinf(depth_of(finish(builder))).all()


def test_hidden_primitive_does_not_win_when_it_comes_first_in_the_scene() -> None:
    builder, grey = grey_builder()
    builder.at(0, 0).box((0, 8, 1), (4, 1, 4), grey)
    builder.at(0, 0).box((0, 3.5, 1), (20, 1, 20), grey)
    depth, index = hits(finish(builder), CAMERA, ALONG_Y)
    assert (index == 1).all() and depth.max() < 3.1


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from((BOX, SPHERE, FRUSTUM, PLANE)), taper=st.floats(0.2, 1.8), seed=st.integers(0, 10**6))
def test_hits_lie_on_the_surface(kind: int, taper: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    origin = torch.as_tensor(rng.normal(0, 3, (3, 64)), dtype=torch.float32)
    aim = torch.as_tensor(rng.uniform(-0.9, 0.9, (3, 64)), dtype=torch.float32)
    direction = aim - origin
    t = hit_unit(kind, taper, origin, direction)
    hit = torch.isfinite(t)
    x, y, z = (origin + t * direction)[:, hit].double()
    beside = torch.hypot(x, y)
    surface = {
        BOX: torch.stack([x, y, z]).abs().amax(0) - 1,
        SPHERE: torch.sqrt(x * x + y * y + z * z) - 1,
        FRUSTUM: torch.minimum((beside - ((1 + taper) + (taper - 1) * z) / 2).abs(), (z.abs() - 1).abs()),
        PLANE: z,
    }[kind]
    assert not hit.any() or surface.abs().max().item() < 2e-3
    if kind in (BOX, SPHERE):
        outside = aim.abs().amax(0) if kind == BOX else aim.norm(dim=0)
        assert hit[outside < 0.95].all()


def test_two_views_of_one_scene_agree() -> None:
    """Parity: points of one view, moved into the other with plain NumPy, meet its depth wherever they are in sight."""
    scene = build_scene(31, "room")
    pose, _ = choose_camera(scene, 31, 96, 72)
    lens = Pinhole(96, 72, 80.0, 82.0, 47.0, 36.5)
    turned = look(pose.position + np.array([0.08, 0.05, -0.04]), *_yaw_pitch(pose), 0.05)
    first, second = hits(scene, lens, pose)[0], hits(scene, lens, turned)[0]
    v, u = np.mgrid[:72, :96]
    points = np.stack([(u - lens.cx) / lens.fx, (v - lens.cy) / lens.fy, np.ones(u.shape)], -1) * first[..., None]
    world = points @ pose.rotation.T + pose.position
    other = (world - turned.position) @ turned.rotation
    z = other[..., 2]
    column = np.rint(other[..., 0] / z * lens.fx + lens.cx).astype(int)
    line = np.rint(other[..., 1] / z * lens.fy + lens.cy).astype(int)
    inside = (z > 0.1) & (column >= 0) & (column < 96) & (line >= 0) & (line < 72)
    relative = np.abs(second[line[inside], column[inside]] / z[inside] - 1)
    assert inside.mean() > 0.5
    # Rounding to a pixel moves slanted surfaces by some per mille; occlusions and edges disagree freely.
    assert np.median(relative) < 5e-3
    assert (relative < 0.05).mean() > 0.9


def _yaw_pitch(pose: Pose) -> tuple[float, float]:
    forward = pose.rotation[:, 2]
    return float(np.arctan2(forward[1], forward[0])), float(np.arcsin(forward[2]))
