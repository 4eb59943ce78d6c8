"""Where the camera stands, where it looks and through what lens."""

from __future__ import annotations

import math

import numpy as np

from .cast import Pinhole, Pose
from .render import hits
from .scene import Scene

TRIES = 24


def look(position: np.ndarray, yaw: float, pitch: float, roll: float) -> Pose:
    """A pose that looks along ``yaw`` (from +x towards +y), ``pitch`` up and ``roll``, all [rad]."""
    forward = np.array([math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)])
    right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    return Pose(np.stack([c * right + s * down, c * down - s * right, forward], axis=1), np.asarray(position, float))


def random_lens(rng: np.random.Generator, width: int, height: int, hfov_deg: tuple[float, float]) -> Pinhole:
    """Intrinsics with a random field of view and a principal point a little off the centre."""
    hfov = math.radians(rng.uniform(*hfov_deg))
    focal = width / 2.0 / math.tan(hfov / 2.0)
    cx = (width - 1) / 2.0 + float(rng.normal(0, 0.012)) * width
    cy = (height - 1) / 2.0 + float(rng.normal(0, 0.012)) * height
    return Pinhole(width, height, focal, focal * float(rng.normal(1.0, 0.004)), cx, cy)


def _candidate(rng: np.random.Generator, scene: Scene) -> Pose:
    view = scene.viewpoint
    target = np.array(view.targets[int(rng.integers(len(view.targets)))])
    roll = math.radians(float(np.clip(rng.normal(0, view.roll_deg / 2), -2 * view.roll_deg, 2 * view.roll_deg)))
    if view.aim:
        distance = rng.uniform(*view.distance)
        pitch = math.radians(rng.uniform(*view.pitch_deg))
        # Shelves open towards -y; tables are seen from all around.
        yaw = math.pi / 2 + (rng.uniform(-0.7, 0.7) if view.pitch_deg[1] > 0 else rng.uniform(-math.pi, math.pi))
        forward = np.array([math.cos(yaw) * math.cos(pitch), math.sin(yaw) * math.cos(pitch), math.sin(pitch)])
        return look(target - distance * forward, yaw, pitch, roll)
    position = np.array([rng.uniform(low, high) for low, high in zip(view.low, view.high, strict=True)])
    if scene.sky is None and rng.random() < 0.6:
        position[2] = float(np.clip(rng.normal(1.45, 0.2), view.low[2], view.high[2]))
    low, high = view.pitch_deg
    pitch = float(np.clip(rng.normal((low + high) / 2, (high - low) / 4), low, high))
    bearing = math.atan2(target[1] - position[1], target[0] - position[0])
    spread = 0.35 if scene.sky is not None else 0.6
    aimed = rng.random() < 0.75 or scene.sky is not None
    yaw = bearing + rng.normal(0, spread) if aimed else rng.uniform(-math.pi, math.pi)
    return look(position, yaw, math.radians(pitch), roll)


def choose_camera(scene: Scene, seed: int, width: int, height: int) -> tuple[Pose, Pinhole]:
    """A camera that is free of solids and sees something worth seeing; the best of the tries when none passes."""
    rng = np.random.default_rng([seed, 11])
    lens = random_lens(rng, width, height, scene.viewpoint.hfov_deg)
    shrink = 24 / width
    small = Pinhole(
        24,
        max(8, round(height * shrink)),
        lens.fx * shrink,
        lens.fy * shrink,
        (lens.cx + 0.5) * shrink - 0.5,
        (lens.cy + 0.5) * shrink - 0.5,
    )
    best: tuple[float, Pose] | None = None
    bare = rng.random() < 0.1
    for _ in range(TRIES):
        pose = _candidate(rng, scene)
        inside = np.all(pose.position >= np.array(scene.viewpoint.low) - 0.15) and np.all(
            pose.position <= np.array(scene.viewpoint.high) + 0.15
        )
        if not inside or scene.inside(pose.position, 0.12):
            continue
        depth, index = hits(scene, small, pose)
        score = _worth(depth, index, scene.viewpoint.aim, bare)
        if score >= 1.0:
            return pose, lens
        if best is None or score > best[0]:
            best = (score, pose)
    if best is None:
        target = np.array(scene.viewpoint.targets[0])
        return look(target + np.array([0.0, -0.7, 0.5]), math.pi / 2, math.radians(-35), 0.0), lens
    return best[1], lens


def _worth(depth: np.ndarray, index: np.ndarray, tabletop: bool, bare: bool) -> float:
    """1 when a view is acceptable, less the worse it is. ``bare`` lets views of little but walls pass."""
    seen = depth[np.isfinite(depth)]
    if seen.size < depth.size * 0.25:
        return 0.0
    close = float((seen < 0.25).mean())
    spread = float(np.log(np.percentile(seen, 95) / np.percentile(seen, 5)))
    near = float((seen < (0.25 if tabletop else 0.5)).mean())
    things = len(np.unique(index))
    enough = things >= (5 if bare else 10)
    if close < 0.04 and near < 0.25 and spread > (0.25 if tabletop else 0.55) and enough:
        return 1.0
    return min(0.99, 0.4 * min(1.0, spread) + 0.3 * (1.0 - near) + 0.02 * min(things, 10))
