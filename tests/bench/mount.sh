#!/bin/bash
# Times the mount alone and prints its targets; run.sh does the same among everything else.
# usage: mount.sh [ROUNDS]     (5 rounds if not told; as root, since it empties the kernel's caches)
# $LAKOTA names another binary than target/release/lakota. The results stay in $LAKOTA_BENCH/results.
set -euo pipefail
cd "$(dirname "$0")/../.."
bench=$PWD/tests/bench
export LAKOTA_BENCH=${LAKOTA_BENCH:-$HOME/.cache/lakota-bench} PYTHONDONTWRITEBYTECODE=1
results=$LAKOTA_BENCH/results/$(date -u +%Y%m%dT%H%M%SZ)-mount.jsonl

"$bench/setup.sh" >&2
"$LAKOTA_BENCH/peers/bin/python" "$bench/data.py" >&2
cargo build --quiet --release
cargo bench --quiet --bench mount --no-run
cpu=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)
echo "{\"machine\": \"${cpu:-unknown CPU}, $(nproc) cores, Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg) before, $(date -u +%F)\"}" >"$results"
for round in $(seq 0 $((${1:-5} - 1))); do
    timeout 900 "$LAKOTA_BENCH/peers/bin/python" "$bench/mount.py" --round "$round" --ours "${LAKOTA:-target/release/lakota}" |
        sed -n "s/^{/{\"round\": $round, /p" >>"$results"
    timeout 900 "$LAKOTA_BENCH/peers/bin/python" "$bench/write.py" --round "$round" --ours "${LAKOTA:-target/release/lakota}" |
        sed -n "s/^{/{\"round\": $round, /p" >>"$results"
done
python3 "$bench/summary.py" "$results"
echo "results in $results" >&2
