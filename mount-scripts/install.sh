#!/usr/bin/env bash
# Installs lakota: install.sh [PREFIX], PREFIX is /usr/local. With DESTDIR set, all goes below that folder, for packages.
#   PREFIX/bin/lakota                       the program, if it is built (cargo build --release)
#   /sbin/mount.lakota, mount.fuse.lakota   let mount(8) and /etc/fstab mount it
#   PREFIX/lib/systemd/{system,user}        units, see docs/mount.md
#   PREFIX/share/{bash-completion,zsh,fish} completions
set -euo pipefail

if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,6s/^# //p' "$0"
    exit 2
fi
prefix=${1:-/usr/local}
case $prefix in /*) ;; *) echo "install: PREFIX must be absolute, got $prefix" >&2; exit 2 ;; esac
root=${DESTDIR:-}
scripts=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$scripts/../target}

# put MODE FROM TO
put() {
    if ! install -D -m "$1" "$2" "$root$3"; then
        echo "install: cannot write $root$3; run as root, or set DESTDIR" >&2
        exit 1
    fi
    echo "installed $root$3"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

program=$target/release/lakota
if [ -x "$program" ]; then
    put 755 "$program" "$prefix/bin/lakota"
    for shell in bash zsh fish; do "$program" completions "$shell" >"$work/$shell"; done
    put 644 "$work/bash" "$prefix/share/bash-completion/completions/lakota"
    put 644 "$work/zsh" "$prefix/share/zsh/site-functions/_lakota"
    put 644 "$work/fish" "$prefix/share/fish/vendor_completions.d/lakota.fish"
elif [ -x "$root$prefix/bin/lakota" ]; then
    echo "kept $root$prefix/bin/lakota: there is no newer one in $target/release"
else
    echo "no program at $program: build it with 'cargo build --release', then run this again" >&2
fi

sed "s|@BIN@|$prefix/bin|" "$scripts/mount.lakota" >"$work/mount.lakota"
put 755 "$work/mount.lakota" /sbin/mount.lakota
# mount(8) looks for the helper by the type that mount tables show, for `remount` and `mount -t fuse.lakota`.
ln -sf mount.lakota "$root/sbin/mount.fuse.lakota"
echo "installed $root/sbin/mount.fuse.lakota"
for unit in lakota@.service:system lakota-user@.service:user; do
    name=${unit%:*} kind=${unit#*:}
    sed "s|@BIN@|$prefix/bin|" "$scripts/$name" >"$work/$name"
    put 644 "$work/$name" "$prefix/lib/systemd/$kind/$name"
done
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
echo "done; 'lakota doctor' tells whether this machine can mount"
