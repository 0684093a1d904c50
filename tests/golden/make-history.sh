#!/usr/bin/env bash
# Makes a golden repository of what history leaves: altered columns, tags, forgotten revisions, merges of all kinds.
# usage: tests/golden/make-history.sh LAKOTA FOLDER     (the program; a folder that does not exist yet)
# FOLDER/repo is the repository, FOLDER/revisions.txt what it must read as. See README.md here.
set -euo pipefail
export LC_ALL=C USER=golden LOGNAME=golden LAKOTA_REPO
lakota=$(realpath "$1")
mkdir "$2"
out=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
LAKOTA_REPO=$out/repo

l() { "$lakota" -q "$@"; }
put() { local place=$1; shift; l write "$place" "$@"; } # rows on the standard input
newest() { "$lakota" log "$1" --limit 1 --format json | sed 's/^{"id":"\([^"]*\)".*/\1/'; }

# altered: columns added with and without a default, renamed, dropped; rows of before and of after.
l create altered 'k int*' 'v float'
printf '1,1.5\n2,2.5\n3,3.5\n' | put altered/s
l alter altered add 'unit str' --default C
l alter altered add 'flag bool'
printf '4,4.5,F,true\n' | put altered/s
l alter altered rename v degrees
l alter altered drop unit
l create altered/empty 2>/dev/null || true

# tagged: two tagged revisions below a horizon, whose children are forgotten; one above it.
l create tagged 'k int*' 'v int'
for ((k = 0; k < 9; k++)); do
  printf '%d,%d\n' $k $k | put tagged/s
  if ((k == 2 || k == 4 || k == 8)); then l tag "at $k" tagged; fi
  sleep 0.002
done
l tag gone tagged ; l tag -d gone tagged
l trim tagged --before "$("$lakota" log tagged --limit 1 --format json | sed 's/.*"time":"\([^"]*\)".*/\1/')"
l gc --grace 0s ; sleep 0.01 ; l gc --grace 0s

# undone: an undo, a restore, a deleted collection that came back.
l create undone 'k int*' 'v int'
printf '1,1\n2,2\n3,3\n' | put undone/s
first=$(newest undone)
printf '2,20\n' | put undone/s
l undo "$(newest undone)"
printf '3,30\n4,40\n' | put undone/s
l restore undone/s --to "$first" --start 3 --stop 3
l delete undone ; l restore undone

# Two copies go on apart. parted: heads whose columns were altered on both sides. chosen: heads without a merge, of which one was chosen.
l create parted 'k int*' 'v int'
printf '1,1\n2,2\n' | put parted/s
l create chosen 'k int*' 'v int'
printf '1,1\n2,2\n' | put chosen/s
l clone "$LAKOTA_REPO" other
l alter parted add 'left int' --default 7
printf '1,10\n' | put chosen/s
printf '3,3\n' | put chosen/s
sleep 0.01
LAKOTA_REPO=$PWD/other
printf '2,22\n' | put parted/s
l alter parted rename v w
printf '2,22\n' | put chosen/s
l squash chosen ; l gc --grace 0s ; sleep 0.01 ; l gc --grace 0s
LAKOTA_REPO=$out/repo
l squash chosen ; l gc --grace 0s ; sleep 0.01 ; l gc --grace 0s
(export LAKOTA_REPO=$PWD/other ; printf '6,60\n' | put chosen/s)
l remote add other "$PWD/other"
l pull other parted
printf '5,50\n' | put chosen/s
# What a transfer refuses: put together by hand.
cp -rn other/. "$LAKOTA_REPO"
l remote remove other ; l remote remove origin
l merge chosen --ours
l remote add elsewhere /backup/elsewhere

# What it reads as.
"$lakota" ls | while read -r collection; do
  "$lakota" log "$collection" --format json | sed 's/^{"id":"\([^"]*\)".*/\1/' | while read -r id; do
    echo "revision $collection $id"
    "$lakota" ls "$collection" --revision "$id" | while read -r label; do
      # One number and a length for the CSV of a series, as POSIX `cksum` counts.
      echo "series $("$lakota" read "$collection/$label" --revision "$id" | cksum) $label"
    done
  done
done >"$out/revisions.txt"
"$lakota" verify
