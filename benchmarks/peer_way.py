"""What Python ROS 2 nodes do around the network, step by step, and the same work in straightforward NumPy.

The peer is grupo-avispa/depth_anything_v2_ros2 (commit e378954, the most maintained Python node for Depth Anything V2)
with the code it calls. It publishes no cloud; the cloud is the network's own script, put into a message by ROS's own
function. Steps, each with the file it is found in:

1. imgmsg_to_cv2(msg, 'bgr8'): view, contiguous copy, colour conversion
   ros-perception/vision_opencv 8b42d66, cv_bridge/python/cv_bridge/core.py, CvBridge.imgmsg_to_cv2;
   called by grupo-avispa, depth_anything_v2_ros2/depth_anything_v2_ros2.py, DepthAnythingROS.image_callback
2. RGB again, divide by 255 in float64, cubic resize, normalise, CHW float32, tensor
   DepthAnything/Depth-Anything-V2 a561b84, metric_depth/depth_anything_v2/dpt.py, DepthAnythingV2.image2tensor, and
   util/transform.py beside it (Resize, NormalizeImage, PrepareForNet)
3. bilinear to the camera's size with aligned corners
   the same dpt.py, DepthAnythingV2.infer_image
4. clip to [0, max_depth], float32
   grupo-avispa, depth_anything_v2_ros2/depth_estimator.py, postprocess_depth
5. depth message: tobytes, then frombytes
   cv_bridge core.py, CvBridge.cv2_to_imgmsg
6. shallow copy of the last CameraInfo
   grupo-avispa, image_callback
7. back-projection: meshgrid, stack
   DepthAnything/Depth-Anything-V2 a561b84, metric_depth/depth_to_pointcloud.py, main
8. cloud message: colour packed into a float, structured array, array.array
   ros2/common_interfaces c0c0bc5, sensor_msgs_py/sensor_msgs_py/point_cloud2.py, create_cloud

Where the peer differs it is given the cheaper form: this benchmark's network size (the peer's own is 518x686), no
logging, no second resize of the depth as in step 7's script, and where torch is absent OpenCV's resize for step 3.
"""

from __future__ import annotations

import array
import copy
import importlib.util
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.lib.recfunctions import unstructured_to_structured
from numpy.typing import NDArray

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_XYZRGB = np.dtype([(name, np.float32) for name in ("x", "y", "z", "rgb")])


class PeerWay:
    """The peer's steps for one camera; see the module's docstring for their sources."""

    def __init__(self, camera: Any, size_hw: tuple[int, int], max_depth_m: float) -> None:
        self._camera, self._size_hw, self._max_depth_m = camera, size_hw, max_depth_m
        self._info = SimpleNamespace(**camera.to_info_fields(), header=None)
        self._torch: Any = None
        if importlib.util.find_spec("torch") is not None:
            import torch

            self._torch = torch

    def run(self, msg: Any, depth_hw: NDArray[np.float32]) -> tuple[Any, Any, Any]:
        """One frame with the network's answer `depth_hw` [m]; returns the depth, info and cloud messages."""
        bgr_HW3 = self.decode(msg)
        self.to_tensor(bgr_HW3)
        depth_HW = np.clip(self.enlarge(depth_hw, bgr_HW3.shape[:2]), 0, self._max_depth_m).astype(np.float32)
        depth_msg = SimpleNamespace(header=msg.header, height=depth_HW.shape[0], width=depth_HW.shape[1])
        depth_msg.data = array.array("B")
        depth_msg.data.frombytes(depth_HW.tobytes())
        info_msg = copy.copy(self._info)
        info_msg.header = msg.header
        return depth_msg, info_msg, self.cloud(depth_HW, bgr_HW3, msg.header)

    def decode(self, msg: Any) -> NDArray[np.uint8]:
        stored = np.ndarray((msg.height, msg.step // 3, 3), np.uint8, msg.data)
        return cv2.cvtColor(np.ascontiguousarray(stored[:, : msg.width]), cv2.COLOR_RGB2BGR)  # type: ignore[return-value]

    def to_tensor(self, bgr_HW3: NDArray[np.uint8]) -> Any:
        scaled = cv2.cvtColor(bgr_HW3, cv2.COLOR_BGR2RGB) / 255.0
        small = cv2.resize(scaled, self._size_hw[::-1], interpolation=cv2.INTER_CUBIC)
        normalised = (small - _MEAN) / _STD
        planes = np.ascontiguousarray(np.transpose(normalised, (2, 0, 1))).astype(np.float32)
        return planes[None] if self._torch is None else self._torch.from_numpy(planes).unsqueeze(0)

    def enlarge(self, depth_hw: NDArray[np.float32], size_HW: tuple[int, ...]) -> NDArray[np.float32]:
        if self._torch is None:
            return cv2.resize(depth_hw, size_HW[::-1])  # type: ignore[return-value]
        with self._torch.no_grad():
            tensor = self._torch.from_numpy(depth_hw)[None, None]
            interpolate = self._torch.nn.functional.interpolate
            return interpolate(tensor, tuple(size_HW), mode="bilinear", align_corners=True)[0, 0].cpu().numpy()

    def cloud(self, depth_HW: NDArray[np.float32], bgr_HW3: NDArray[np.uint8], header: Any) -> Any:
        camera = self._camera
        u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
        x, y = (u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy
        xyz_N3 = np.stack((np.multiply(x, depth_HW), np.multiply(y, depth_HW), depth_HW), axis=-1).reshape(-1, 3)
        bgr_N3 = bgr_HW3.reshape(-1, 3).astype(np.uint32)
        packed_N = (bgr_N3[:, 2] << 16 | bgr_N3[:, 1] << 8 | bgr_N3[:, 0]).view(np.float32)
        points_N4 = np.column_stack([xyz_N3.astype(np.float32), packed_N])
        structured_N = unstructured_to_structured(points_N4, dtype=_XYZRGB)
        data = array.array("B")
        data.frombytes(memoryview(structured_N).cast("B"))
        return SimpleNamespace(header=header, width=len(structured_N), point_step=_XYZRGB.itemsize, data=data)


class NumpyWay:
    """The same outputs as ours, written without care for speed: masked assignments and a structured array."""

    def __init__(self, camera: Any, size_hw: tuple[int, int], max_depth_m: float) -> None:
        self._camera, self._size_hw, self._max_depth_m = camera, size_hw, max_depth_m

    def run(self, msg: Any, depth_hw: NDArray[np.float32]) -> tuple[Any, Any, Any]:
        """One frame; as :meth:`PeerWay.run`."""
        camera = self._camera
        image_HW3 = np.frombuffer(msg.data, np.uint8).reshape(msg.height, msg.step)[:, : 3 * msg.width]
        image_HW3 = image_HW3.reshape(msg.height, msg.width, 3)
        cv2.resize(image_HW3, self._size_hw[::-1], interpolation=cv2.INTER_CUBIC)
        depth_HW = cv2.resize(depth_hw, (msg.width, msg.height), interpolation=cv2.INTER_LINEAR)
        jumps_HW = np.zeros(depth_HW.shape, bool)
        for axis in (0, 1):
            step = np.abs(np.diff(depth_HW, axis=axis, append=np.take(depth_HW, [-1], axis)))
            jumps_HW |= step > 0.1 * depth_HW
        depth_HW[depth_HW > self._max_depth_m] = np.inf
        depth_HW[jumps_HW] = np.nan
        z_HW = np.where(np.isfinite(depth_HW), depth_HW, np.nan)
        u, v = np.meshgrid(np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32))
        cloud_HW = np.zeros(z_HW.shape, _XYZRGB)
        cloud_HW["x"] = (u - np.float32(camera.cx)) / np.float32(camera.fx) * z_HW
        cloud_HW["y"] = (v - np.float32(camera.cy)) / np.float32(camera.fy) * z_HW
        cloud_HW["z"] = z_HW
        rgb_HW3 = image_HW3.astype(np.uint32)
        packed_HW = rgb_HW3[..., 0] << 16 | rgb_HW3[..., 1] << 8 | rgb_HW3[..., 2]
        cloud_HW["rgb"] = packed_HW.view(np.float32)
        depth_msg = SimpleNamespace(header=msg.header, data=array.array("B", depth_HW.tobytes()))
        info_msg = SimpleNamespace(header=msg.header, **camera.to_info_fields())
        return depth_msg, info_msg, SimpleNamespace(header=msg.header, data=array.array("B", cloud_HW.tobytes()))


def assign_bytes(value: bytes) -> array.array[int]:
    """What assigning `bytes` to a uint8[] field of a message costs where fields are checked: a look at every element.

    ros2/rosidl_python 4b5dfcf, rosidl_generator_py/resource/_msg.py.em, the setter of a sequence field; an
    array.array('B') skips it. polatztrk/depth_anything_ros c2e7d66, depth2point/src/depth_to_point.py, is a node that
    passes its cloud this way.
    """
    if not (all(isinstance(element, int) for element in value) and all(0 <= element < 256 for element in value)):
        raise ValueError("not bytes")
    return array.array("B", value)
