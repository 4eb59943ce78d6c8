"""RigidTransform: where one frame is in another, and the tree of frames that a recording's tf_static spans."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ConfigError


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Takes points of a frame to its parent: p_parent = ``rotation_33`` p + ``translation_3`` [m]."""

    rotation_33: npt.NDArray[np.float64]
    translation_3: npt.NDArray[np.float64]

    @classmethod
    def from_pose(cls, xyz: Sequence[float], quaternion_xyzw: Sequence[float]) -> RigidTransform:
        """Return the transform of a frame whose pose in its parent is given, as in geometry_msgs/Transform.

        Raises ConfigError for numbers that are not finite and a quaternion that is not of length 1 (to 1 %).
        """
        values = [float(value) for value in (*xyz, *quaternion_xyzw)]
        length = math.sqrt(sum(value**2 for value in values[3:]))
        if len(values) != 7 or not all(map(math.isfinite, values)) or abs(length - 1.0) > 0.01:
            raise ConfigError(
                f"transform is {' '.join(f'{value:g}' for value in values)}; accepted: x y z [m] and a quaternion"
                " qx qy qz qw of length 1"
            )
        x, y, z, w = (value / length for value in values[3:])
        rotation_33 = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return cls(rotation_33, np.array(values[:3]))

    @classmethod
    def identity(cls) -> RigidTransform:
        """Return the transform between two names of one frame."""
        return cls(np.eye(3), np.zeros(3))

    def __call__(self, points_N3: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return points (N, 3) [m] of the frame as points of its parent, float64."""
        return np.asarray(points_N3, np.float64) @ self.rotation_33.T + self.translation_3

    def after(self, first: RigidTransform) -> RigidTransform:
        """Return the transform that does ``first`` and then this one."""
        return RigidTransform(self.rotation_33 @ first.rotation_33, self(first.translation_3[None])[0])

    def inverse(self) -> RigidTransform:
        """Return the transform from the parent to the frame."""
        return RigidTransform(self.rotation_33.T, -self.rotation_33.T @ self.translation_3)


class FrameTree:
    """Frames that are fixed to each other, by their names; a leading slash, as ROS 1 had it, does not count."""

    def __init__(self) -> None:
        self._edges: dict[str, dict[str, RigidTransform]] = {}

    def add(self, parent: str, child: str, transform: RigidTransform) -> None:
        """Take in that ``transform`` takes points of ``child`` to ``parent``; what was known of the two is replaced."""
        parent, child = parent.lstrip("/"), child.lstrip("/")
        self._edges.setdefault(child, {})[parent] = transform
        self._edges.setdefault(parent, {})[child] = transform.inverse()

    def between(self, target: str, source: str) -> RigidTransform:
        """Return what takes points of ``source`` to ``target``.

        Raises ConfigError, which names the frames there are, where nothing connects the two.
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        found = {source: RigidTransform.identity()}
        waiting = deque([source])
        while waiting and target not in found:
            frame = waiting.popleft()
            for neighbour, step in self._edges.get(frame, {}).items():
                if neighbour not in found:
                    found[neighbour] = step.after(found[frame])
                    waiting.append(neighbour)
        if target not in found:
            known = ", ".join(sorted(self._edges)) or "none"
            raise ConfigError(f"no transform from {source!r} to {target!r}; frames in tf_static: {known}")
        return found[target]
