"""From the camera's image to the network's input: one size and one resizing for node, evaluation and training.

Which size is a property of the network, stated by its :class:`~depth_anything_ros.spec.ResizeRule`. The official Depth
Anything code (V1 and V2) uses ``short_side`` 518 with cubic interpolation: 640x480 becomes 686x518 and 1280x720 becomes
924x518. ``long_side`` 518 gives 518x392 and 518x294 for the same cameras, for two fifths of the tokens and less detail.
The two give different numbers, so a network keeps the rule it was made with. The interpolation matters too: on the
reference network, bytes resized linearly instead of cubically moved the depth by 3.3 %, by area 4.2 %, while rounding
to bytes itself moved it by 0.5 %. Normalisation happens inside the network's graph.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from .errors import ImageError

if TYPE_CHECKING:
    from .spec import ResizeRule

# Beyond this the short side holds too little for a network trained on photographs; the widest in common use is 3.3.
MAX_ASPECT = 12.0
# With the short side fixed, memory grows with the square of the aspect; from here on the long side is held instead.
_SHORT_SIDE_MAX_ASPECT = 4.0
# Both sides must shrink by more than this to be averaged.
_AREA_FROM_SHRINK = {"cubic": math.inf, "area": 2.0, "cubic_or_area": 1.0}


def network_size(width: int, height: int, rule: ResizeRule) -> tuple[int, int]:
    """Return the network's (h, w) [px] for a camera image of width x height [px].

    Both are multiples of ``rule.multiple``, at least one. ``short_side`` and ``long_side`` bring that side to
    ``rule.side`` and keep the aspect to within one multiple; ``short_side`` holds the long side to four times
    ``rule.side``, so that panoramas stay affordable. ``closest_side`` is the one of the two that changes the image by
    the smaller factor. ``fixed`` is a square of ``rule.side`` whatever the image. Raises
    ImageError for an empty image or one more than 12 times as long as wide.
    """
    if width < 1 or height < 1:
        raise ImageError(f"image of {width}x{height} pixels is empty")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(f"image of {width}x{height} is more than {MAX_ASPECT:g} times as long as wide; crop it first")
    if rule.kind == "fixed":
        return rule.side, rule.side
    longest = max(width, height)
    by_long = rule.side / longest
    by_short = min(rule.side / min(width, height), _SHORT_SIDE_MAX_ASPECT * by_long)
    if rule.kind == "closest_side":
        scale = by_long if abs(1.0 - by_long) < abs(1.0 - by_short) else by_short
    else:
        scale = by_long if rule.kind == "long_side" else by_short
    return _nearest_multiple(height * scale, rule.multiple), _nearest_multiple(width * scale, rule.multiple)


def resize_to_network(
    image_HW3: npt.NDArray[Any], size_hw: tuple[int, int], interpolation: str = "cubic"
) -> npt.NDArray[np.uint8]:
    """Return the (h, w, 3) uint8 image, contiguous, that the network is fed; the camera's own array if the size is
    equal.

    `image_HW3` is (H, W, 3) uint8 RGB. ``cubic`` does not smooth before it shrinks, as the official code; ``area``
    averages where both sides shrink to less than half, ``cubic_or_area`` where both shrink at all; they are cubic
    otherwise. Raises ImageError for another type, shape or name.
    """
    if image_HW3.dtype != np.uint8 or image_HW3.ndim != 3 or image_HW3.shape[2] != 3 or image_HW3.size == 0:
        raise ImageError(f"image is {image_HW3.dtype} of shape {image_HW3.shape}; accepted: uint8 (H, W, 3) RGB")
    if interpolation not in _AREA_FROM_SHRINK:
        raise ImageError(f"interpolation {interpolation!r} is unknown; accepted: {', '.join(_AREA_FROM_SHRINK)}")
    h, w = size_hw
    height, width = image_HW3.shape[:2]
    if (h, w) == (height, width):
        return np.ascontiguousarray(image_HW3)
    from_shrink = _AREA_FROM_SHRINK[interpolation]
    shrinks = height > from_shrink * h and width > from_shrink * w
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(image_HW3, (w, h), interpolation=method), dtype=np.uint8)


def _nearest_multiple(length: float, multiple: int) -> int:
    return max(1, round(length / multiple)) * multiple
