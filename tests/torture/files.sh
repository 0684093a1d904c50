#!/usr/bin/env bash
# Tortures a real mount with the tools that file systems are tested with: fsx, fio, stress-ng, pjdfstest.
# not in the short form: it installs tools and takes minutes. What pjdfstest may find is listed below, with the reason;
# anything else fails. SECONDS_EACH: how long each of fsx and stress-ng runs (5).
set -euo pipefail

seconds=${SECONDS_EACH:-5} seed=${SEED:-1} lakota=${LAKOTA:?run it by tests/torture.sh}
tools=$HOME/.cache/lakota-tests/torture
fail() { echo "files: $*" >&2; exit 1; }
step() { printf '\n== %s\n' "$*"; }

missing=()
for tool in fio stress-ng; do command -v "$tool" >/dev/null || missing+=("$tool"); done
if [ ${#missing[@]} -gt 0 ]; then
  step "installing ${missing[*]}"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"
fi
for tool in fsx@0.3.2 pjdfstest@0.2.2; do
  [ -x "$tools/bin/${tool%@*}" ] || cargo install --quiet --root "$tools" "$tool"
done

folder=$(mktemp -d /tmp/lakota-torture-XXXXXX)
mount=$folder/mnt
export LAKOTA_REPO=$folder/repo
finish() {
  "$lakota" -q umount "$mount" 2>/dev/null || "$lakota" -q umount --force "$mount" || true
  rm -rf "$folder"
}
trap finish EXIT
mkdir "$mount"
chmod 755 "$folder"
"$lakota" -q create temp/bxl "timestamp timestamp*" "value float"
rows='timestamp,value\n2020-06-22T00:00:00,25.5\n2020-06-23T00:00:00,24.5\n'
printf "$rows" | "$lakota" -q write temp/bxl
"$lakota" -q mount "$mount" -o "allow_other,spool=$folder/spool" --log-file "$folder/log"
scratch=$mount/temp/bxl/torture
mkdir "$scratch"
revisions() { "$lakota" log temp/bxl --oneline | wc -l; }
unchanged() { # what, revisions before
  [ "$(revisions)" = "$2" ] || fail "$1 made revisions"
  for file in live.csv latest/data.csv; do
    [ "$(cat "$mount/temp/bxl/$file")" = "$(printf "$rows")" ] || fail "$1 changed the rows of $file"
  done
}
before=$(revisions)

step "fsx: a scratch file, every operation"
cat >"$folder/fsx.toml" <<'TOML'
flen = 1048576
[weights]
close_open = 1
invalidate = 1
mapread = 10
mapwrite = 10
read = 10
write = 10
truncate = 10
fsync = 1
fdatasync = 1
punch_hole = 5
sendfile = 5
posix_fadvise = 1
copy_file_range = 5
TOML
fsx() { # configuration, file: until the time is over
  (cd "$folder" && timeout -s INT "$((seconds * 20))" "$tools/bin/fsx" -q -P "$folder" -N "$((seconds * 1000))" -S "$seed" -f "$1" "$2")
}
fsx fsx.toml "$scratch/fsx"

# What fsx writes are no rows: until it closes the file it must read back what it wrote, and others the rows; then it is
# refused. A map is synced by a save, which such bytes fail, so that maps are not synced here, nor the file closed between.
step "fsx: live files"
sed -e '1i nomsyncafterwrite = true' -e '/close_open\|invalidate\|fsync\|fdatasync/d' "$folder/fsx.toml" >"$folder/live.toml"
for file in live.csv live.parquet; do
  fsx live.toml "$mount/temp/bxl/$file"
  "$lakota" why "$mount/temp/bxl/$file" >/dev/null || fail "what fsx wrote to $file is not told"
  unchanged "fsx on $file" "$before"
done
# The same in place, of one length.
cat >"$folder/block.toml" <<'TOML'
flen = 262144
blockmode = true
nomsyncafterwrite = true
[weights]
truncate = 0
TOML
fsx block.toml "$mount/temp/bxl/live.csv"
unchanged "fsx in block mode" "$before"

step "fio --verify: scratch files"
cd "$folder" # where fio leaves what it noted
fio --name=verify --directory="$scratch" --size=64M --rw=randrw --bs=4k-256k --verify=crc32c --verify_fatal=1 --numjobs=2 \
  --ioengine=psync --fsync=64 --randseed="$seed" --output="$folder/fio" || { cat "$folder/fio"; fail "fio found other bytes"; }
fio --name=map --directory="$scratch" --size=32M --rw=randwrite --bs=4k --verify=md5 --verify_fatal=1 --ioengine=mmap \
  --randseed="$seed" --output="$folder/fio" || { cat "$folder/fio"; fail "fio found other bytes in maps"; }
cd - >/dev/null
rm -f "$scratch"/{verify,map}.*

step "stress-ng: scratch files"
mkdir "$scratch/stress"
for stressor in fstat getdent dentry rename seek readahead mmap; do
  extra=()
  [ "$stressor" = mmap ] && extra=(--mmap-file --mmap-bytes 32M)
  stress-ng --quiet --temp-path "$scratch/stress" "--$stressor" 2 "${extra[@]}" --timeout "${seconds}s" --verify ||
    fail "stress-ng $stressor"
  [ -z "$(ls -A "$scratch/stress")" ] || fail "stress-ng $stressor left files"
  echo "$stressor"
done

step "pjdfstest: a scratch folder"
cat >"$folder/pjdfstest.toml" <<'TOML'
[features]
posix_fallocate = {}
utimensat = {}
utime_now = {}
[settings]
naptime = 0.01
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"], ["bin", "bin"]]
TOML
mkdir "$scratch/posix"
"$tools/bin/pjdfstest" -c "$folder/pjdfstest.toml" -p "$scratch/posix" >"$folder/posix" 2>&1 || true
sed -i 's/\x1b\[[0-9;]*m//g' "$folder/posix"
# What may fail, and why: docs/mount.md, "POSIX, as far as it goes".
kinds='::(fifo|block|char|socket|symlink)$|^(mkfifo|mknod|symlink|link)::|eloop|enoent_symlink|_symlink$|open_nofollow|fifo_nonblock'
kinds+='|socket_error|to_multiply_linked|^unlink::(unchanged_ctime_failed|update_ctime_success)::regular$'
owners='^ch(mod|own)::|permission_bits|uid_gid|affected_(only_)?create_flags|etxtbsy|write_access_required|preserve_metadata'
owners+='|^utimensat::(write_perm|nobody)$'
times='^utimensat::(changes_timestamps::(regular|dir)|utime_omit|subsecond|y2038|follow_symlink)$'
links='updates_link_parent'
sed -nE 's/^([a-z0-9_:]+) +FAILED$/\1/p' "$folder/posix" | grep -vE "$kinds|$owners|$times|$links" >"$folder/unknown" || true
grep '^Summary:' "$folder/posix"
[ ! -s "$folder/unknown" ] || { cat "$folder/unknown"; fail "pjdfstest: these should pass"; }
[ "$(grep -cE ' ok$' "$folder/posix")" -ge 135 ] || { tail -50 "$folder/posix"; fail "pjdfstest: too few tests passed"; }

step "afterwards"
unchanged "all of it" "$before"
"$lakota" -q verify
! grep -i panic "$folder/log" || fail "the server panicked"
echo "all is well"
