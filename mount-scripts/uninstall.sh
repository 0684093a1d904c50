#!/usr/bin/env bash
# Takes away what install.sh [PREFIX] installed (DESTDIR as there). Repositories and /etc/lakota stay.
set -euo pipefail

if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then
    sed -n '2s/^# //p' "$0"
    exit 2
fi
prefix=${1:-/usr/local}
root=${DESTDIR:-}

if [ -z "$root" ] && grep -q ' - fuse\.lakota ' /proc/self/mountinfo; then
    echo "uninstall: there are mounts, end them first ('lakota mounts' lists them, 'lakota umount' ends one)" >&2
    exit 1
fi
for file in \
    "$prefix/bin/lakota" \
    /sbin/mount.lakota \
    /sbin/mount.fuse.lakota \
    "$prefix/lib/systemd/system/lakota@.service" \
    "$prefix/lib/systemd/user/lakota-user@.service" \
    "$prefix/share/bash-completion/completions/lakota" \
    "$prefix/share/zsh/site-functions/_lakota" \
    "$prefix/share/fish/vendor_completions.d/lakota.fish"; do
    if [ -e "$root$file" ] || [ -L "$root$file" ]; then
        rm -f "$root$file" || { echo "uninstall: cannot remove $root$file; run as root" >&2; exit 1; }
        echo "removed $root$file"
    fi
done
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
