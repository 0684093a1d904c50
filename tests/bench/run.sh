#!/bin/bash
# Times this project beside its peers in one run and prints the tables of docs/performance.md.
# usage: run.sh [--quick]     quick takes about 3 minutes: fewer rounds, no W4, and W3 without its peers
# $LAKOTA names another binary than target/release/lakota. The results stay in $LAKOTA_BENCH/results, one file a run.
# Where a measurement fails the others go on, and the run as a whole fails at its end.
set -euo pipefail
cd "$(dirname "$0")/../.."
bench=$PWD/tests/bench
export LAKOTA_BENCH=${LAKOTA_BENCH:-$HOME/.cache/lakota-bench} PYTHONDONTWRITEBYTECODE=1
export CARGO_TERM_QUIET=true
results=$LAKOTA_BENCH/results/$(date -u +%Y%m%dT%H%M%SZ).jsonl
failed=0

rounds=5 cli_rounds=5 w3_rounds=3 many=yes
one_series_peers="original arcticdb lance delta duckdb parquet_small_groups"
w3_peers="original arcticdb lance" w4_peers="original arcticdb lance parquet_files"
case ${1:-} in
    --quick) rounds=3 cli_rounds=2 w3_rounds=1 many='' w3_peers='' w4_peers='' ;;
    "") ;;
    *) echo "usage: run.sh [--quick]" >&2; exit 2 ;;
esac

# record ROUND COMMAND...: appends the command's result lines, with their round.
record() {
    local round=$1 start=$SECONDS
    shift
    if ! timeout 900 "$@" | sed -n "s/^{/{\"round\": $round, /p" >>"$results"; then
        echo "failed: $*" >&2
        failed=$((failed + 1))
    fi
    echo "round $round, $((SECONDS - start)) s: $*" >&2
}

peer() { # ROUND PEER WORKLOAD
    local environment=peers
    [ "$2" = original ] && environment=original
    record "$1" "$LAKOTA_BENCH/$environment/bin/python" "$bench/peers.py" --peer "$2" --workload "$3"
}

# The engine prints the same lines as peers.py, without a peer, for the workloads named.
ours() { # ROUND WORKLOAD...
    local round=$1
    shift
    record "$round" cargo bench --bench engine -- "$@"
}

# The ratios to tuned Parquet come from neighbours in time, which of them is first changes from round to round.
w2_round() {
    local name
    for name in $one_series_peers; do peer "$1" "$name" w2; done
    if [ $(($1 % 2)) = 0 ]; then
        peer "$1" parquet_tuned w2
        ours "$1" w2
    else
        ours "$1" w2
        peer "$1" parquet_tuned w2
    fi
}

machine() {
    local cpu
    cpu=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)
    printf '{"machine": "%s, %s cores, Linux %s, load %s before, %s, revision %s"}\n' "${cpu:-unknown CPU}" "$(nproc)" \
        "$(uname -r)" "$(cut -d' ' -f1 /proc/loadavg)" "$(date -u +%F)" "$(git describe --always --dirty)"
}

"$bench/setup.sh" >&2
"$LAKOTA_BENCH/peers/bin/python" "$bench/data.py" >&2
cargo build --release
cargo bench --bench engine --bench mount --no-run
machine >"$results"

for round in $(seq 0 $((rounds - 1))); do w2_round "$round"; done
for name in $one_series_peers parquet_tuned; do peer 0 "$name" w1; done
ours 0 w1
for round in $(seq 0 $((cli_rounds - 1))); do
    record "$round" python3 "$bench/cli.py" --round "$round" --ours "${LAKOTA:-target/release/lakota}"
done
if [ "$(id -u)" = 0 ] && [ -c /dev/fuse ]; then
    for round in $(seq 0 $((rounds - 1))); do
        record "$round" "$LAKOTA_BENCH/peers/bin/python" "$bench/mount.py" --round "$round" --ours "${LAKOTA:-target/release/lakota}"
    done
    for round in $(seq 0 $((cli_rounds - 1))); do
        record "$round" "$LAKOTA_BENCH/peers/bin/python" "$bench/write.py" --round "$round" --ours "${LAKOTA:-target/release/lakota}"
    done
else
    echo "the mount is not timed: that needs root, to empty the kernel's caches, and /dev/fuse" >&2
fi
for name in $w3_peers; do peer 0 "$name" w3; done
for round in $(seq 0 $((w3_rounds - 1))); do ours "$round" w3 heads; done
ours 0 history log push merge
for name in $w4_peers; do peer 0 "$name" w4; done
[ -z "$many" ] || ours 0 w4 big

python3 "$bench/summary.py" "$results"
echo "$failed measurements failed; results in $results" >&2
[ "$failed" = 0 ]
