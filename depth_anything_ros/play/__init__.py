"""``depth_anything_ros play``: a recording or a device as a camera of the ROS graph."""
