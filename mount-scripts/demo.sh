#!/usr/bin/env bash
# Builds lakota and shows a first session in a fresh folder: create, write, correct, read, look back, mount,
# write through the mount, undo, push to a second place, upkeep.
# Any failure ends it with a code other than 0. Mounting needs /dev/fuse, and fusermount3 where it is not run by root.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cargo build --release --manifest-path "$root/Cargo.toml"
target=${CARGO_TARGET_DIR:-$root/target}
export PATH="$target/release:$PATH"

folder=$(mktemp -d)
finish() {
    if mountpoint -q "$folder/mnt"; then lakota umount --force "$folder/mnt" || return; fi
    rm -rf "$folder"
}
trap finish EXIT
cd "$folder"
unset LAKOTA_REPO

# Shows a command, then runs it.
run() {
    printf '\n$ %s\n' "$1"
    bash -o pipefail -c "$1" 2>&1
}

# Runs what must give a text.
expect() {
    local found
    found=$(bash -o pipefail -c "$1")
    if [ "$found" != "$2" ]; then
        printf 'demo: "%s" gave:\n%s\nexpected:\n%s\n' "$1" "$found" "$2" >&2
        exit 1
    fi
}

cat >input.csv <<'CSV'
2020-06-22,25
2020-06-23,24
2020-06-24,27
2020-06-25,31
2020-06-26,32
2020-06-27,30
CSV
cat >input-corrected.csv <<'CSV'
2020-06-22,25.2
2020-06-23,24.2
2020-06-24,27.9
2020-06-25,31.0
2020-06-26,32.5
2020-06-27,30.1
CSV

run 'lakota create temp/bxl "timestamp timestamp*" "value float"'
run 'cat input.csv | lakota write temp/bxl'
run 'cat input-corrected.csv | lakota write temp/bxl'
run 'lakota read temp/bxl --format table'
expect 'lakota read temp/bxl value' 'value
25.2
24.2
27.9
31.0
32.5
30.1'

run 'lakota log temp'
first=$(lakota log temp --oneline | sed -n '2s/ .*//p')
run "lakota read temp/bxl --revision $first --limit 2"
expect "lakota read temp/bxl value --revision $first --limit 1" 'value
25.0'
run 'lakota read temp/bxl --start 2020-06-24 --stop 2020-06-26'
run 'lakota read temp/bxl value --tail 1 --format json'
run 'lakota ls -l temp'

mkdir mnt
run 'lakota mount mnt -o spool=spool'
run 'ls -l mnt/temp/bxl'
run 'head -n 3 mnt/temp/bxl/live.csv'
expect 'cat mnt/temp/bxl/live.csv' "$(lakota read temp/bxl | cat)"
expect 'wc -c <mnt/temp/bxl/live.csv' "$(stat -c %s mnt/temp/bxl/live.csv)"
run 'cat mnt/temp/bxl/latest/delta.csv'
expect 'tail -n 1 mnt/temp/bxl/latest/delta.csv' 'changed,2020-06-27T00:00:00,value,30.0,30.1'
run "tail -n 1 mnt/temp/bxl/diff/@${first##*-}..latest.csv"
run "cat mnt/temp/bxl/at/@${first##*-}/data.csv"
run 'cat mnt/temp/bxl/latest/commit.json'
run 'echo 2020-06-28,29.2 >> mnt/temp/bxl/live.csv'
run 'tail -n 1 mnt/temp/bxl/live.csv'
expect 'lakota read temp/bxl value --tail 1' 'value
29.2'
run 'sed -i s/24.2/24.3/ mnt/temp/bxl/live.csv'
expect 'lakota read temp/bxl value --start 2020-06-23 --limit 1' 'value
24.3'
run 'mkdir mnt/temp/paris && cp input.csv mnt/temp/paris/live.csv'
expect 'lakota read temp/paris' "$(lakota read temp/bxl --revision "$first")"
run 'mv mnt/temp/paris mnt/temp/Paris && rmdir mnt/temp/Paris'
run 'mkdir mnt/weather && echo "timestamp timestamp*, station str*, rain float" > mnt/weather/.schema'
run 'lakota schema weather'
run 'rmdir mnt/weather'
printf '2020-06-22,25\n2020-06-23,abc\n' >broken.csv
run 'cp broken.csv mnt/temp/bxl/live.csv || true'
run 'lakota why mnt/temp/bxl/live.csv'
expect 'lakota read temp/bxl value --start 2020-06-23 --limit 1' 'value
24.3'
run 'lakota log temp/bxl'
run 'lakota mounts'
run 'lakota umount mnt'

run 'lakota clone .lakota backup && lakota remote add backup backup'
before=$(lakota read temp/bxl)
run 'echo 2020-06-26,0 | lakota write temp/bxl -m "a script that went wrong"'
run 'lakota diff temp/bxl'
run 'lakota blame temp/bxl --start 2020-06-25 --stop 2020-06-27'
run 'lakota undo latest -c temp'
expect 'lakota read temp/bxl' "$before"
run 'lakota push backup'
expect 'lakota -r backup log temp' "$(lakota log temp)"

run 'lakota export exported && lakota -r copy import exported'
expect 'lakota -r copy read temp/bxl' "$(lakota read temp/bxl)"

run 'lakota pack temp'
expect 'lakota log temp --oneline | wc -l' '12'
run 'lakota squash temp && lakota squash && lakota gc'
run 'lakota verify'
expect 'lakota len temp/bxl' '7'
printf '\nThe demo went well.\n'
