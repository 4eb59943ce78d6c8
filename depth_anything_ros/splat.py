"""A picture of a point cloud with NumPy alone: a z-buffered splat, seen from behind and above and from the top.

Points are in the camera's optical frame [m]: x right, y down, z forward. "Up" is the camera's own, as nothing here
knows gravity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.render import RGBImage, draw_text

_BACKGROUND_RGB = (24, 26, 30)
_GRID_RGB = (74, 80, 90)
_CAMERA_RGB = (255, 210, 60)
_MAX_RADIUS_PX = 6
_GAP_PX = 6


@dataclass(frozen=True)
class View:
    """A pinhole (or, with ``px_per_m``, an orthographic) look at the cloud.

    ``rotation`` (3, 3) and ``centre_m`` (3,): a point p is seen at rotation @ (p - centre_m).
    ``focal_px``: of the pinhole; ``px_per_m``: scale of the orthographic look, None for a pinhole. ``shift_uv`` [px]
    moves the picture away from its middle.
    """

    rotation: NDArray[np.float64]
    centre_m: NDArray[np.float64]
    width: int
    height: int
    focal_px: float
    px_per_m: float | None = None
    shift_uv: tuple[float, float] = (0.0, 0.0)

    def project(self, points_N3: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Pixels uv (N, 2) and depth along the view [m] (N,) of points (N, 3); not in front = NaN pixels."""
        seen_N3 = ((points_N3 - self.centre_m) @ self.rotation.T).astype(np.float32)
        z_N = seen_N3[:, 2]
        if self.px_per_m is not None:
            uv_N2 = seen_N3[:, :2] * np.float32(self.px_per_m)
        else:
            uv_N2 = np.full((len(seen_N3), 2), np.nan, np.float32)
            np.divide(seen_N3[:, :2] * np.float32(self.focal_px), z_N[:, None], out=uv_N2, where=(z_N > 0.01)[:, None])
        middle_uv = ((self.width - 1) / 2 + self.shift_uv[0], (self.height - 1) / 2 + self.shift_uv[1])
        return uv_N2 + np.array(middle_uv, np.float32), z_N


def splat(
    points_N3: NDArray[np.floating], rgb_N3: NDArray[np.uint8], view: View, image: RGBImage, *, spacing_rad: float
) -> None:
    """Draw points (N, 3) [m] with colours (N, 3) into ``image`` (view.height, view.width, 3), the nearest in front.

    ``spacing_rad``: angle between neighbouring points as seen by the camera that measured them; a point is drawn as a
    square that covers the gap to its neighbour.
    """
    uv_N2, z_N = view.project(points_N3)
    gap_N = np.linalg.norm(points_N3, axis=1) * spacing_rad
    scale_N = view.px_per_m if view.px_per_m is not None else view.focal_px / np.maximum(z_N, 0.01)
    radius_N = np.clip(np.ceil(gap_N * scale_N * 0.7 - 0.5), 0, _MAX_RADIUS_PX).astype(np.int64)
    reach = _MAX_RADIUS_PX
    with np.errstate(invalid="ignore"):
        near_N = np.all((uv_N2 > -reach) & (uv_N2 < [view.width + reach, view.height + reach]), axis=1)
    near = np.flatnonzero(near_N)
    u, v = np.rint(uv_N2[near]).astype(np.int64).T
    z, radius, rgb = z_N[near], radius_N[near], rgb_N3[near]
    order = np.argsort(-z, kind="stable")
    u, v, radius, rgb = u[order], v[order], radius[order], rgb[order]
    rank = np.full(view.height * view.width, -1, np.int64)
    # A later (nearer) point overwrites an earlier one within each offset; across offsets the greater rank wins.
    ranks = np.arange(len(order))
    for dv in range(-reach, reach + 1):
        for du in range(-reach, reach + 1):
            reaching = radius >= max(abs(du), abs(dv))
            uu, vv = u[reaching] + du, v[reaching] + dv
            inside = (uu >= 0) & (uu < view.width) & (vv >= 0) & (vv < view.height)
            layer = np.full(rank.shape, -1, np.int64)
            layer[vv[inside] * view.width + uu[inside]] = ranks[reaching][inside]
            np.maximum(rank, layer, out=rank)
    hit = rank >= 0
    image.reshape(-1, 3)[hit] = rgb[rank[hit]]


def picture_of_cloud(
    points_N3: NDArray[np.floating],
    rgb_N3: NDArray[np.uint8],
    *,
    focal_px: float,
    title: str,
    panel: tuple[int, int] = (720, 600),
) -> RGBImage:
    """RGB picture with two panels (width, height) [px]: from behind and above the camera, and straight from the top.

    ``points_N3`` (N, 3) [m] in the optical frame, all finite; ``rgb_N3`` (N, 3) uint8; ``focal_px`` of the camera that
    made them. A grid of whole metres lies at the height of the lowest points; the yellow mark is the camera. The
    furthest 2 % are left out of the framing.
    """
    if len(points_N3) == 0:
        raise ValueError("the cloud has no points to draw")
    low, high = np.percentile(points_N3, (2.0, 98.0), axis=0)
    views = (_from_behind(points_N3, low, high, panel), _from_the_top(low, high, panel))
    cell_m = _neat_cell(float(max(high[0] - low[0], high[2])))
    lines = _grid(low, high, cell_m)
    images = []
    for view, name in zip(views, ("from behind and above", "from the top"), strict=True):
        image = np.full((view.height, view.width, 3), _BACKGROUND_RGB, np.uint8)
        _draw_lines(image, view, lines, _GRID_RGB)
        splat(points_N3, rgb_N3, view, image, spacing_rad=1.0 / focal_px)
        _draw_lines(image, view, _camera_mark(cell_m * 0.35), _CAMERA_RGB, thickness=2)
        if view.px_per_m is not None:
            _scale_bar(image, cell_m, view.px_per_m)
        draw_text(image, f"{name}; grid {cell_m:g} m", (8, 20))
        images.append(image)
    gap = np.full((panel[1], _GAP_PX, 3), 90, np.uint8)
    body = np.hstack([images[0], gap, images[1]])
    header = np.full((28, body.shape[1], 3), _BACKGROUND_RGB, np.uint8)
    draw_text(header, title, (8, 20), size=0.55)
    return np.vstack([header, body])


def _from_behind(
    points_N3: NDArray[np.floating], low: NDArray[np.floating], high: NDArray[np.floating], panel: tuple[int, int]
) -> View:
    """Behind, above and beside the camera, looking at the middle of the cloud, which fills the panel."""
    middle = (low + high) / 2
    distance = 1.2 * float(np.linalg.norm(high - low)) + 0.1
    yaw, pitch = np.deg2rad(-24.0), np.deg2rad(-28.0)
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    # The rows are the view's axes in the camera's frame: turn to the left, then look down.
    rotation = (about_y @ about_x).T
    view = View(rotation, middle - rotation[2] * distance, panel[0], panel[1], 1.0)
    some_N2, _ = view.project(np.vstack([points_N3[:: max(1, len(points_N3) // 20_000)], np.zeros((1, 3))]))
    framed_N2 = some_N2[np.isfinite(some_N2).all(axis=1)] - np.array([(panel[0] - 1) / 2, (panel[1] - 1) / 2])
    start, end = np.percentile(framed_N2, (1.0, 99.0), axis=0)
    focal_px = 0.86 * float(np.min(np.array(panel) / np.maximum(end - start, 1e-6)))
    shift_u, shift_v = -focal_px * (start + end) / 2
    return replace(view, focal_px=focal_px, shift_uv=(float(shift_u), float(shift_v)))


def _from_the_top(low: NDArray[np.floating], high: NDArray[np.floating], panel: tuple[int, int]) -> View:
    """Straight down, forward being up in the picture, the camera itself inside."""
    rotation = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    near_z, far_z = min(0.0, float(low[2])), float(high[2])
    left, right = min(-0.2, float(low[0])), max(0.2, float(high[0]))
    centre = np.array([(left + right) / 2, float(low[1]) - 1.0, (near_z + far_z) / 2])
    px_per_m = 0.88 * min(panel[0] / (right - left), panel[1] / max(far_z - near_z, 0.1))
    return View(rotation, centre, panel[0], panel[1], 1.0, px_per_m)


def _neat_cell(extent_m: float) -> float:
    """Grid spacing of 1, 2 or 5 times a power of ten that gives about 4 to 10 cells."""
    power = 10.0 ** np.floor(np.log10(max(extent_m, 1e-3) / 4))
    return float(max(factor * power for factor in (1, 2, 5) if factor * power <= max(extent_m, 1e-3) / 4 + 1e-12))


def _grid(low: NDArray[np.floating], high: NDArray[np.floating], cell_m: float) -> list[NDArray[np.float64]]:
    """Polylines (N, 3) of a grid of whole cells at the height of the lowest points."""
    xs = np.arange(np.floor(low[0] / cell_m), np.ceil(high[0] / cell_m) + 1) * cell_m
    zs = np.arange(0, np.ceil(high[2] / cell_m) + 1) * cell_m
    y = float(high[1])
    lines = [np.array([[x, y, z] for z in zs]) for x in xs]
    return lines + [np.array([[x, y, z] for x in xs]) for z in zs]


def _camera_mark(size_m: float) -> list[NDArray[np.float64]]:
    """A small pyramid at the origin that opens forward."""
    s = size_m
    corners = [np.array([x, y, s]) for x, y in ((-s, -0.7 * s), (s, -0.7 * s), (s, 0.7 * s), (-s, 0.7 * s))]
    edges = [np.array([np.array([0.0, 0.0, 0.02 * s]), corner]) for corner in corners]
    return [*edges, np.array([*corners, corners[0]])]


def _draw_lines(
    image: RGBImage, view: View, lines: Sequence[NDArray[np.float64]], colour: tuple[int, int, int], thickness: int = 1
) -> None:
    limit = 4.0 * max(view.width, view.height)
    for line in lines:
        uv_N2, _ = view.project(line)
        with np.errstate(invalid="ignore"):
            drawable_N = np.all(np.isfinite(uv_N2) & (np.abs(uv_N2) < limit), axis=1)
        for i in np.flatnonzero(drawable_N[:-1] & drawable_N[1:]):
            start, end = (tuple(round(float(c)) for c in uv_N2[j]) for j in (i, i + 1))
            cv2.line(image, start, end, colour, thickness, cv2.LINE_AA)


def _scale_bar(image: RGBImage, length_m: float, px_per_m: float) -> None:
    v, left = image.shape[0] - 16, 16
    right = left + round(length_m * px_per_m)
    cv2.rectangle(image, (left - 8, v - 24), (right + 8, v + 10), _BACKGROUND_RGB, cv2.FILLED)
    cv2.line(image, (left, v), (right, v), (255, 255, 255), 2)
    for u in (left, right):
        cv2.line(image, (u, v - 5), (u, v + 5), (255, 255, 255), 2)
    draw_text(image, f"{length_m:g} m", (left, v - 9), size=0.45)
