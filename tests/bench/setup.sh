#!/bin/bash
# Makes the Python environments of the benchmarks under $LAKOTA_BENCH (default ~/.cache/lakota-bench):
# `original` holds Lakota 0.7.1, `peers` the stores it is compared with. Safe to repeat: what is there stays.
set -euo pipefail
root=${LAKOTA_BENCH:-$HOME/.cache/lakota-bench}

original=(lakota==0.7.1 numpy==1.26.4 numcodecs==0.15.2 msgpack==1.2.4 tabulate==0.10.0 pytz==2026.6)
peers=(numpy==2.4.6 pandas==2.3.3 pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.0 arcticdb==6.28.2 pylance==14.0.2 deltalake==1.6.6)

# Debian ships Python without what `python3 -m venv` needs.
need_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null && return
    local sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq python3-venv
}

# environment NAME PACKAGE...: the stamp comes last, so an interrupted install is made again.
environment() {
    local dir=$root/$1 stamp=$root/$1/installed
    shift
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$*" ]; then
        return
    fi
    python3 -m venv --clear "$dir"
    "$dir/bin/pip" install --quiet "$@"
    echo "$*" >"$stamp"
}

mkdir -p "$root"/{data,work,results}
need_venv
environment original "${original[@]}"
environment peers "${peers[@]}"
echo "environments ready in $root"
