# Not run: written without a container engine at hand. Build from the root of the checkout:
#   docker build -f docker/desktop.Dockerfile -t depth_anything_ros .
#   docker run --rm -it --network host --ipc host depth_anything_ros image_topic:=/camera/image_raw
FROM ros:jazzy

SHELL ["/bin/bash", "-c"]
ENV DEBIAN_FRONTEND=noninteractive DEPTH_ANYTHING_OPENCV=system RMW_IMPLEMENTATION=rmw_cyclonedds_cpp
WORKDIR /ros_ws
COPY . src/depth_anything_ros

RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv ros-jazzy-rmw-cyclonedds-cpp \
    && rosdep update --rosdistro jazzy \
    && rosdep install --from-paths src --ignore-src -y --dependency-types exec \
    && rm -rf /var/lib/apt/lists/*

# colcon writes the path of the Python that runs it into the executables: the one that sees the engine.
RUN source /opt/ros/jazzy/setup.bash \
    && python3 -m venv --system-site-packages venv \
    && touch venv/COLCON_IGNORE \
    && venv/bin/pip install --no-cache-dir -c src/depth_anything_ros/constraints/jazzy.txt -e 'src/depth_anything_ros[openvino]' \
    && venv/bin/python -m colcon build

RUN printf '%s\n' '#!/bin/bash' 'source /ros_ws/install/setup.bash' \
    'exec ros2 launch depth_anything_ros depth.launch.py "$@"' > /start && chmod +x /start
ENTRYPOINT ["/start"]
