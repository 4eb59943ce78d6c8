# Sourced by scripts/demo: a camera that plays the recording, the depth node and a viewer, as three processes over DDS.

# live_demo PYTHON RECORDING OUT OPTION...: ends after some depth images; the options are those of `run`.
live_demo() {
    local python=$1 recording=$2 out=$3 has_intrinsics=no
    local play_options=() node_options=()
    shift 3
    # -print -quit: one recording of a kind that can hold CameraInfo is enough.
    [[ -n $(find -L "$recording" -maxdepth 1 -type f \( -name '*.mcap' -o -name '*.db3' -o -name '*.bag' \) -print -quit) ]] &&
        has_intrinsics=yes
    while [[ $# -gt 0 ]]; do
        case $1 in
            --camera-info=*) play_options+=("$1") has_intrinsics=yes ;;
            --camera-info) play_options+=("$1" "${2:-}") has_intrinsics=yes ;;
            --image-topic=* | --camera-info-topic=*) play_options+=("$1") ;;
            --image-topic | --camera-info-topic) play_options+=("$1" "${2:-}") ;;
            --rectified) node_options=(--ros-args -p rectified:=true) ;;
        esac
        shift
    done
    if ! "$python" -I -c 'import cyclonedds' 2>/dev/null; then
        say "no live part: Cyclone DDS has no package for this Python or processor (extra dds)"
    elif [[ $has_intrinsics == no ]]; then
        say "no live part: $recording has no intrinsics, which the node needs; give --camera-info calibration.yaml"
    else
        say "the same live: camera, depth node and viewer as three processes over DDS"
        watch_live "$python" "$recording" "$out"
    fi
}

# Reads play_options and node_options of its caller.
watch_live() {
    local command=("$1" -I -m depth_anything_ros) recording=$2 out=$3 result=0
    export ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-77} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
    rm -rf -- "$out/live"
    "${command[@]}" node "${node_options[@]}" &
    live_processes=($!)
    "${command[@]}" play "$recording" "${play_options[@]}" --loop --wait 1 &
    live_processes+=($!)
    trap end_live EXIT
    "${command[@]}" watch --frames 30 --timeout 60 --save "$out/live" || result=$?
    end_live
    trap - EXIT
    return "$result"
}

# Whatever ends the viewer, Ctrl-C included, ends the other two as well.
end_live() {
    kill -TERM "${live_processes[@]}" 2>/dev/null || true
    wait "${live_processes[@]}" 2>/dev/null || true
}
