# Sourced by scripts/demo: a camera that plays the recording, the depth node and a viewer, as three processes over DDS.

# live_demo PYTHON RECORDING OUT OPTION...: ends after some depth images. The options are those of the run that wrote to
# OUT; those about its files mean nothing here.
live_demo() {
    local python=$1 recording=$2 out=$3
    local play_options=() node_options=() rectified=no
    shift 3
    if ! "$python" -I -c 'import cyclonedds' 2>/dev/null; then
        say "no live part: Cyclone DDS has no package for this Python or processor (extra dds)"
        return 0
    fi
    if ! "$python" -I -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["intrinsics_assumed"])' "$out/summary.json"; then
        say "no live part: $recording has no intrinsics, which the node needs; give --camera-info calibration.yaml"
        return 0
    fi
    while [[ $# -gt 0 ]]; do
        case $1 in
            --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" && continue ;;
            --camera-info) play_options+=("$1" "$2") && shift ;;
            --image-topic | --camera-info-topic) play_options+=("$1" "$2") && shift ;;
            --rectified) rectified=yes && node_options+=(-p rectified:=true) ;;
            --model) node_options+=(-p "model:='$(realpath -e -- "$2" 2>/dev/null || printf %s "$2")'") && shift ;;
            --engine | --precision) node_options+=(-p "${1#--}:=$2") && shift ;;
            --threads) node_options+=(-p "threads:=$2") && shift ;;
            --scale | --min-depth | --max-depth | --edge-ratio) node_options+=(-p "$(double_parameter "$1" "$2")") && shift ;;
            --stride) node_options+=(-p "points.stride:=$2") && shift ;;
        esac
        shift
    done
    # A calibration file is read as the run read it; a bag's own CameraInfo is played as it is.
    [[ $rectified == yes && " ${play_options[*]} " == *" --camera-info "* ]] && play_options+=(--rectified)
    say "the same live: camera, depth node and viewer as three processes over DDS"
    watch_live "$python" "$recording" "$out"
}

# double_parameter --min-depth 2: min_depth:=2.0, as ROS tells 2 and 2.0 apart.
double_parameter() {
    local name=${1#--} value=$2
    [[ $value == *[.e]* ]] || value=$value.0
    printf '%s:=%s' "${name//-/_}" "$value"
}

# Reads play_options and node_options of its caller.
watch_live() {
    local command=("$1" -I -m depth_anything_ros) recording=$2 out=$3 result=0
    export ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-77} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
    rm -rf -- "$out/live"
    "${command[@]}" node --ros-args "${node_options[@]}" &
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
