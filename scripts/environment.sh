# Sourced by scripts/demo and scripts/test: a virtual environment that is complete or made again.
#
# The stamp is written last and holds what the environment was made for; without it, or with another content, the
# environment is not trusted. The marker says that these scripts made the folder, so that only such a folder is removed.

readonly ENVIRONMENT_MARKER=.made-by-depth-anything-ros
readonly ENVIRONMENT_STAMP=.complete

# pip answers Ctrl-C with an ordinary failure; that must end the script and not start a second try.
trap 'exit 130' INT

say() { printf '\n== %s\n' "$*" >&2; }

die() {
    printf '%s: error: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

# Prints the interpreter to use: $PYTHON, else the first suitable one of the usual names.
find_python() {
    local candidate candidates=(python3 python3.14 python3.13 python3.12 python3.11 python3.10)
    [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
            command -v -- "$candidate"
            return
        fi
    done
    die "no Python 3.10 or newer among: ${candidates[*]}; name one with PYTHON=/path/to/python3"
}

# environment_key PYTHON WORD...: what an environment depends on, as one hash.
environment_key() {
    local python=$1
    shift
    {
        "$python" -c 'import sys; print(sys.version, sys.base_prefix)'
        cat -- "$ROOT/setup.py" "$ROOT/scripts/environment.sh"
        printf '%s\n' "$ROOT" "$@"
    } | "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

# prepare_environment FOLDER KEY INSTALL: FOLDER holds the environment for KEY when this returns. INSTALL is a function
# that gets the environment's interpreter; it runs only where something is missing.
prepare_environment() {
    local venv=$1 key=$2 install=$3
    mkdir -p -- "$(dirname -- "$venv")"
    if command -v flock >/dev/null; then
        exec 9>"$venv.lock"
        flock -n 9 || { say "waiting for another run that prepares $venv" && flock 9; }
    fi
    if [[ ! -f $venv/$ENVIRONMENT_STAMP || $(<"$venv/$ENVIRONMENT_STAMP") != "$key" ]]; then
        make_environment "$venv"
        rm -f -- "$venv/$ENVIRONMENT_STAMP"
        "$install" "$venv/bin/python"
        printf '%s\n' "$key" >"$venv/$ENVIRONMENT_STAMP.part"
        mv -- "$venv/$ENVIRONMENT_STAMP.part" "$venv/$ENVIRONMENT_STAMP"
    fi
    exec 9>&-
}

# make_environment FOLDER: a fresh environment; somebody's own environment is taken as it is, nothing else is touched.
make_environment() {
    local venv=$1 python
    if [[ -e $venv/$ENVIRONMENT_MARKER ]]; then
        [[ -f $venv/$ENVIRONMENT_STAMP ]] && say "$venv is out of date: making it again" ||
            say "$venv was left unfinished: making it again"
        # The marker stays: a run that is interrupted here is recognised too.
        find "$venv" -mindepth 1 -maxdepth 1 ! -name "$ENVIRONMENT_MARKER" -exec rm -rf -- {} +
    elif [[ ! -e $venv || ( -d $venv && -z $(ls -A -- "$venv") ) ]]; then
        mkdir -p -- "$venv"
        : >"$venv/$ENVIRONMENT_MARKER"
    elif "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        say "installing into $venv, which these scripts did not make"
        return
    else
        die "$venv exists and is not a virtual environment with pip; name another folder or remove it"
    fi
    python=$(find_python)
    say "making a virtual environment in $venv ($("$python" --version 2>&1))"
    "$python" -m venv "$venv" ||
        die "$python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv"
}

# pip_install PYTHON ARGUMENT...: with a progress bar on a terminal, quiet elsewhere. Bytecode is made for what is used,
# at its first import: that saves a minute and, in the demo's environment, 35 MB.
pip_install() {
    local python=$1 options=(--disable-pip-version-check --no-compile)
    shift
    [[ -t 2 ]] || options+=(--quiet)
    "$python" -m pip install "${options[@]}" "$@"
}
