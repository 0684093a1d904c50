#!/usr/bin/env bash
# Makes a golden repository with the program as it is now: a little of everything that the format can hold.
# usage: tests/golden/make.sh LAKOTA FOLDER     (the program; a folder that does not exist yet)
# FOLDER/repo is the repository, FOLDER/revisions.txt and FOLDER/newest what it must read as. See README.md here.
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

# Numbers that do not compress (xorshift; shifts to the right bring in zeros).
noise() { # FROM TO SEED
  local x=$((88172645463325252 + $3))
  for ((k = $1; k < $2; k++)); do
    ((x ^= x << 13, x ^= (x >> 7) & 0x01ffffffffffffff, x ^= x << 17)) || true
    echo "$k,$x"
  done
}

# types: every type, with nulls; a rename, a drop, rows deleted, loose revisions that carry their commits.
l create types 't timestamp*' 'us timestamp[us]' 's timestamp[s]' 'ns timestamp[ns]' 'd date' 'i int' 'f float' 'x str' 'b bool'
put types/all <<'CSV'
t,us,s,ns,d,i,f,x,b
1969-12-31T23:59:59.999,1969-12-31T23:59:59.999999,1969-12-31T23:59:59,1969-12-31T23:59:59.999999999,1969-12-31,-9223372036854775808,-1.5e-300,"comma, ""quote""",true
2020-06-22,2020-06-22T00:00:00.000001,2020-06-22T00:00:01,2020-06-22T00:00:00.000000001,2020-06-22,0,0.1,"",false
2020-06-23,,,,,,,,
2020-06-24T12:30:00.250,2020-06-24T12:30,2020-06-24T12:30,2020-06-24T12:30,2020-02-29,9223372036854775807,1e300,"two
lines",true
2020-06-25,,2020-06-25,,2020-06-25,7,NaN,déjà vu 🎉,
2020-06-26,2020-06-26,,2020-06-26,,,inf,,false
CSV
printf '2020-06-22,,,,,1,25.5,one,true\n2020-06-23,,,,,2,,two,\n' | put types/before
l rename types/before types/after
printf '2020-06-23,,,,,3,-0.0,three,false\n' | put types/after -m 'a correction, ☃'
printf '2020-06-23,,,,,3,1,,\n' | put types/gone
l delete types/gone
l delete types/all --start 2020-06-23 --stop 2020-06-23
l create types/empty

# pairs: an index of two columns, its values repeated; a pack, and loose revisions after it.
l create pairs 'who str*' 'n int' 'day date*'
printf 'ann,1,2020-01-01\nann,2,2020-01-02\nbob,3,2020-01-01\nbob,4,2020-01-01\n' | put pairs/p
printf 'ann,20,2020-01-02\nann,30,2020-01-03\n' | put pairs/p
printf '\xc3\xa9va,5,1960-02-29\n"",6,2020-01-01\n' | put pairs/q
l pack pairs
printf 'ann,21,2020-01-02\ncyd,9,2021-12-31\n' | put pairs/p --upsert
printf 'who,day,n\nbob,2020-01-01,8\nbob,2020-01-01,8\n' | put pairs/q

# big: segments that are objects of their own, cut by a later write; an append.
l create big 'k int*' 'v int'
noise 0 5000 1 | put big/s
noise 4900 4910 2 | put big/s
noise 5000 5100 1 | put big/s --append

# many: bundles, and nodes below nodes: 500 series of one write.
l create many 'k int*' 'v float'
mkdir many
for ((i = 0; i < 500; i++)); do
  for ((k = 0; k < 3 + i % 5; k++)); do echo "$k,$((i * k % 17)).$((i % 10))"; done >"many/station $i é.csv"
done
l write many many/*.csv -m 'all at once'
noise 0 300 3 | put 'many/station 7 é'

# wide: keys so long that the segments of a series have a tree of their own.
l create wide 'k str*' 'v int'
wide() { # FROM TO
  for ((k = $1; k < $2; k++)); do printf '%02d%s,%d\n' "$k" "$(printf "%03d" {1..700})" "$k"; done
}
wide 10 50 | put wide/s
wide 90 99 | put wide/s --append
l delete wide/s --start 30 --stop 33

# long: a long history, most of it trimmed.
l create long 'k int*' 'v int'
for ((k = 0; k < 12000; k++)); do echo "$k,$((k / 7))"; done | put long/s
for ((k = 100; k < 12000; k += 200)); do l delete long/s --start $k --stop $((k + 1 + k % 3)); done
l trim long --before "$("$lakota" log long --limit 3 --format json | tail -1 | sed 's/.*"time":"\([^"]*\)".*/\1/')"
l gc --grace 0s
sleep 0.01
l gc --grace 0s

# Two copies of the repository go on apart, then come together. heads: still two heads; met: a merge and a write on it.
l create heads 'k int*' 'v str'
printf '1,a\n2,b\n3,c\n4,d\n' | put heads/s
l create met 'k int*' 'v str'
printf '1,a\n2,b\n3,c\n4,d\n' | put met/s
cp -r "$LAKOTA_REPO" other
printf '1,left\n2,left\n' | put heads/s
printf '1,left\n2,left\n' | put met/s
printf '5,left\n' | put heads/left
LAKOTA_REPO=$PWD/other
sleep 0.01
printf '2,right\n3,right\n' | put heads/s
printf '2,right\n3,right\n' | put met/s
l rename heads/s heads/renamed
LAKOTA_REPO=$out/repo
cp -rn other/. "$LAKOTA_REPO"
printf '9,later\n' | put met/s

# A collection that is gone, one that has another name, one of that label again.
l create lost 'k int*'
l delete lost
l create old 'k int*'
printf '1\n2\n' | put old/s
l rename old new

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
l export "$out/newest" -c types -c pairs -c heads -c met -c new
"$lakota" verify
