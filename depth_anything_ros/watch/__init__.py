"""``depth_anything_ros watch``: looking at a camera, its depth and its cloud while they are published."""
