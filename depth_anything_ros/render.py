"""Pictures of depth: colour maps with a metric scale, side-by-side frames and the contact sheet.

Every picture is RGB uint8. Depth runs from red (near) to blue (far) on one scale for prediction and reference alike;
NaN is dark grey, +Inf (beyond range, sky) black and -Inf (too near) white. The error is signed and relative to the
reference: blue is predicted too near, red too far.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

RGBImage = NDArray[np.uint8]
DepthImage = NDArray[np.float32]

NO_DEPTH_RGB = (72, 72, 72)
BEYOND_RGB = (0, 0, 0)
TOO_NEAR_RGB = (255, 255, 255)
ERROR_LIMIT = 0.3
"""Relative error at the ends of the error map's scale."""

_PANEL_PX = 480
_SHEET_PANEL_PX = 320
_LABEL_PX = 24
_FOOTER_PX = 46
_GAP_PX = 4
_MIN_WIDTH_PX = 780
_BACKGROUND = 28
_TEXT_RGB = (235, 235, 235)


@dataclass(frozen=True)
class DepthScale:
    """The metres at both ends of the depth colours, ``near_m < far_m``."""

    near_m: float
    far_m: float

    @classmethod
    def of(cls, depths: Iterable[DepthImage], *, headroom: float = 1.0) -> DepthScale:
        """Scale that holds 98 % of the finite values of some depth images [m], rounded outwards to neat numbers.

        ``headroom`` widens it (1.25 = a quarter further at the far end), for a scale that must serve frames to come.
        """
        finite = [depth[np.isfinite(depth)] for depth in depths]
        values = np.concatenate(finite) if finite else np.empty(0, np.float32)
        if values.size == 0:
            return cls(0.0, 1.0)
        low, high = np.percentile(values, (1.0, 99.0))
        step = 10.0 ** np.floor(np.log10(max(float(high) * headroom, 0.01)) - 0.3)
        near = float(np.floor(low / headroom / step) * step)
        far = float(np.ceil(high * headroom / step) * step)
        return cls(near, far if far > near else near + float(step))


@dataclass(frozen=True)
class Picture:
    """One frame shrunk to panel size: RGB (h, w, 3), depth (h, w) [m], reference depth (h, w) [m] if there is one."""

    title: str
    image_hw3: RGBImage
    depth_hw: DepthImage
    reference_hw: DepthImage | None = None

    @classmethod
    def shrink(
        cls, title: str, image_HW3: RGBImage, depth_HW: DepthImage, reference_HW: DepthImage | None = None
    ) -> Picture:
        """Make a picture of a frame of any size; depth is sampled, never averaged across a depth edge."""
        size = _fit(depth_HW.shape[1], depth_HW.shape[0], _PANEL_PX)
        shrinks = size[0] < image_HW3.shape[1]
        image_hw3 = _resized(image_HW3, size, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return cls(
            title, image_hw3, _sample(depth_HW, size), None if reference_HW is None else _sample(reference_HW, size)
        )

    def panels(self, scale: DepthScale) -> list[tuple[str, RGBImage]]:
        """Labelled panels: camera and depth, and with a reference also that and the error against it."""
        panels = [("camera", self.image_hw3), ("depth", colourise_depth(self.depth_hw, scale))]
        if self.reference_hw is not None:
            panels.append(("reference depth", colourise_depth(self.reference_hw, scale)))
            panels.append(("error: blue too near, red too far", colourise_error(self.depth_hw, self.reference_hw)))
        return panels


def colourise_depth(depth_HW: DepthImage, scale: DepthScale) -> RGBImage:
    """RGB picture (H, W, 3) of depth (H, W) [m]; values outside the scale take the colour of its end."""
    with np.errstate(invalid="ignore"):
        nearness = (scale.far_m - depth_HW) / (scale.far_m - scale.near_m)
        levels_HW = np.clip(np.nan_to_num(nearness, nan=0.0), 0.0, 1.0) * 255.0
    rgb_HW3 = _turbo(levels_HW.astype(np.uint8))
    rgb_HW3[np.isnan(depth_HW)] = NO_DEPTH_RGB
    rgb_HW3[np.isposinf(depth_HW)] = BEYOND_RGB
    rgb_HW3[np.isneginf(depth_HW)] = TOO_NEAR_RGB
    return rgb_HW3


def colourise_error(depth_HW: DepthImage, reference_HW: DepthImage) -> RGBImage:
    """RGB picture of depth / reference - 1 (both (H, W) [m]); grey where either has no finite value."""
    known_HW = np.isfinite(depth_HW) & np.isfinite(reference_HW) & (reference_HW > 0)
    relative_HW = np.zeros(depth_HW.shape, np.float32)
    np.divide(depth_HW, reference_HW, out=relative_HW, where=known_HW)
    rgb_HW3 = _diverging((relative_HW - 1.0) / ERROR_LIMIT)
    rgb_HW3[~known_HW] = NO_DEPTH_RGB
    return rgb_HW3


def side_by_side(picture: Picture, scale: DepthScale) -> RGBImage:
    """One frame of the video: camera | depth, and below them reference | error if there is a reference.

    Both sides are even, as video codecs want, and the same for every frame of one size.
    """
    panels = [_labelled(image, label) for label, image in picture.panels(scale)]
    rows = [_in_a_row(panels[i : i + 2]) for i in range(0, len(panels), 2)]
    has_reference = picture.reference_hw is not None
    return _even(_page(rows, picture.title, scale, with_error=has_reference))


def contact_sheet(pictures: Sequence[Picture], scale: DepthScale, title: str) -> RGBImage:
    """Rows of small panels, four across: one frame a row with a reference, else two."""
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    has_reference = any(picture.reference_hw is not None for picture in pictures)
    tiles = []
    for picture in pictures:
        panels = []
        for label, image in picture.panels(scale):
            size = _fit(image.shape[1], image.shape[0], _SHEET_PANEL_PX)
            text = f"{picture.title}: camera" if label == "camera" else label
            panels.append(_labelled(_resized(image, size, cv2.INTER_AREA), text))
        tiles.append(_in_a_row(panels))
    per_row = 1 if has_reference else 2
    rows = [_in_a_row(tiles[i : i + per_row]) for i in range(0, len(tiles), per_row)]
    return _page(rows, title, scale, with_error=has_reference)


def draw_text(image_HW3: RGBImage, text: str, origin_uv: tuple[int, int], *, size: float = 0.5) -> None:
    """Write ASCII text into an RGB image, with a dark rim so that it reads on any colour; ``origin_uv`` [px] is its
    lower left corner."""
    for colour, thickness in (((_BACKGROUND,) * 3, 3), (_TEXT_RGB, 1)):
        cv2.putText(image_HW3, text, origin_uv, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA)


def _turbo(levels_HW: NDArray[np.uint8]) -> RGBImage:
    bgr_HW3 = cv2.applyColorMap(levels_HW, cv2.COLORMAP_TURBO).reshape(*levels_HW.shape, 3)
    return np.ascontiguousarray(bgr_HW3[..., ::-1], dtype=np.uint8)


def _diverging(values_HW: NDArray[np.float32]) -> RGBImage:
    """-1 blue, 0 white, 1 red."""
    levels_HW = np.rint(np.clip(values_HW, -1.0, 1.0) * 127.0 + 127.0).astype(np.uint8)
    return _diverging_table()[levels_HW]


@lru_cache(maxsize=1)
def _diverging_table() -> RGBImage:
    """Colours (255, 3) of the levels -127 to 127."""
    t = np.linspace(-1.0, 1.0, 255)[:, None]
    ends = np.where(t < 0, np.array([33.0, 80.0, 200.0]), np.array([200.0, 30.0, 40.0]))
    return np.asarray(255.0 + (ends - 255.0) * np.abs(t), dtype=np.uint8)


def _resized(image_HW3: RGBImage, size: tuple[int, int], interpolation: int) -> RGBImage:
    return np.asarray(cv2.resize(image_HW3, size, interpolation=interpolation), dtype=np.uint8)


def _fit(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) with the longer side ``side``, the aspect kept, never 0."""
    factor = side / max(width, height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _sample(depth_HW: DepthImage, size: tuple[int, int]) -> DepthImage:
    return np.asarray(cv2.resize(depth_HW, size, interpolation=cv2.INTER_NEAREST), dtype=np.float32)


def _labelled(image: RGBImage, label: str) -> RGBImage:
    strip = np.full((_LABEL_PX, image.shape[1], 3), _BACKGROUND, np.uint8)
    draw_text(strip, label, (4, _LABEL_PX - 7))
    return np.vstack([strip, image])


def _in_a_row(images: Sequence[RGBImage]) -> RGBImage:
    height = max(image.shape[0] for image in images)
    columns: list[RGBImage] = []
    for image in images:
        columns.append(_padded(image, height, image.shape[1]))
        columns.append(np.full((height, _GAP_PX, 3), _BACKGROUND, np.uint8))
    return np.hstack(columns[:-1])


def _padded(image: RGBImage, height: int, width: int) -> RGBImage:
    canvas = np.full((height, width, 3), _BACKGROUND, np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas


def _even(image: RGBImage) -> RGBImage:
    return _padded(image, image.shape[0] + image.shape[0] % 2, image.shape[1] + image.shape[1] % 2)


def _page(rows: Sequence[RGBImage], title: str, scale: DepthScale, *, with_error: bool) -> RGBImage:
    width = max([_MIN_WIDTH_PX, *(row.shape[1] for row in rows)])
    header = np.full((_LABEL_PX + 4, width, 3), _BACKGROUND, np.uint8)
    draw_text(header, _cut(title, width - 8, 0.55), (4, _LABEL_PX - 4), size=0.55)
    return np.vstack([header, *(_padded(row, row.shape[0], width) for row in rows), _legend(width, scale, with_error)])


def _cut(text: str, width: int, size: float) -> str:
    """The text, or as much of its beginning as fits into ``width`` [px]."""
    while text and cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0] > width:
        text = text[:-4].rstrip(". ") + "..." if len(text) > 4 else ""
    return text


def _legend(width: int, scale: DepthScale, with_error: bool) -> RGBImage:
    """Footer: the depth colours in metres, the error colours in per cent, and what the three plain colours mean."""
    footer = np.full((_FOOTER_PX, width, 3), _BACKGROUND, np.uint8)
    levels = np.linspace(255, 0, 220).astype(np.uint8)
    ticks = np.linspace(scale.near_m, scale.far_m, 5)
    _bar(footer, 12, _turbo(levels[None, :]), [f"{tick:.3g}" for tick in ticks], "m")
    left = 300
    if with_error:
        relative = np.linspace(-1, 1, 160, dtype=np.float32)[None, :]
        limit = round(100 * ERROR_LIMIT)
        _bar(footer, left, _diverging(relative), [f"-{limit}", "0", f"+{limit}"], "%")
        left = 530
    for label, colour in (("no depth", NO_DEPTH_RGB), ("beyond", BEYOND_RGB), ("too near", TOO_NEAR_RGB)):
        cv2.rectangle(footer, (left, 8), (left + 16, 22), colour, cv2.FILLED)
        cv2.rectangle(footer, (left, 8), (left + 16, 22), (128, 128, 128), 1)
        draw_text(footer, label, (left - 2, 40), size=0.4)
        left += 80
    return footer


def _bar(footer: RGBImage, left: int, colours_1w3: RGBImage, ticks: Sequence[str], unit: str) -> None:
    width = colours_1w3.shape[1]
    footer[8:22, left : left + width] = colours_1w3
    for i, tick in enumerate(ticks):
        u = left + round(i * (width - 1) / (len(ticks) - 1))
        cv2.line(footer, (u, 22), (u, 26), _TEXT_RGB, 1)
        draw_text(footer, tick, (u - 4 * len(tick), 40), size=0.4)
    draw_text(footer, unit, (left + width + 6, 20), size=0.45)
