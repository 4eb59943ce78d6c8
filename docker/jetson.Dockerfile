# Not run: written without a Jetson at hand. Build on the Jetson (JetPack 6, Ubuntu 22.04), from the root of the checkout:
#   docker build -f docker/jetson.Dockerfile -t depth_anything_ros .
#   docker run --rm -it --runtime nvidia --network host --ipc host depth_anything_ros image_topic:=/camera/image_raw
# The base image is JetPack's own, with its TensorRT: engine:=tensorrt uses it, otherwise the CPU runs the network.
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0

SHELL ["/bin/bash", "-c"]
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 DEPTH_ANYTHING_OPENCV=system RMW_IMPLEMENTATION=rmw_cyclonedds_cpp

RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl gnupg \
    && curl -fsSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key -o /usr/share/keyrings/ros.gpg \
    && echo "deb [arch=arm64 signed-by=/usr/share/keyrings/ros.gpg] http://packages.ros.org/ros2/ubuntu jammy main" \
        > /etc/apt/sources.list.d/ros2.list \
    && apt-get update \
    && apt-get install -y --no-install-recommends \
        python3-colcon-common-extensions python3-rosdep python3-venv ros-humble-ros-base ros-humble-rmw-cyclonedds-cpp \
    && rosdep init \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /ros_ws
COPY . src/depth_anything_ros

# JetPack has an OpenCV of its own, whose cv2 may take the place of apt's python3-opencv; either serves.
RUN apt-get update \
    && rosdep update --rosdistro humble \
    && rosdep install --from-paths src --ignore-src -y --rosdistro humble --dependency-types exec \
    && rm -rf /var/lib/apt/lists/*

RUN source /opt/ros/humble/setup.bash \
    && python3 -m venv --system-site-packages venv \
    && touch venv/COLCON_IGNORE \
    && venv/bin/pip install --no-cache-dir -c src/depth_anything_ros/constraints/humble.txt -e 'src/depth_anything_ros[openvino,tensorrt]' \
    && venv/bin/python -m colcon build

RUN printf '%s\n' '#!/bin/bash' 'source /ros_ws/install/setup.bash' \
    'exec ros2 launch depth_anything_ros depth.launch.py "$@"' > /start && chmod +x /start
ENTRYPOINT ["/start"]
