#!/usr/bin/env bash
# Passes all tests on a fresh Debian machine: installs what they need, then checks form, code, docs and behaviour.
# usage: tests/run.sh [--quick | --setup]     (--quick: the tests alone; --setup: installs what they need and stops)
# From nothing, Debian packages take about 30 s and the Python environment 15 s. As another user than root it
# installs no package, and says which to install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== %s\n' "$*"; }
fail() { echo "tests/run.sh: $*" >&2; exit 1; }

missing=()
need() { # command, Debian package
  command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}

need cc gcc
need git git
need fusermount3 fuse3
need mkfs.ext4 e2fsprogs
need losetup mount
need rsync rsync
need dash dash
need perl perl
need vim vim
need nano nano
need ed ed
need sqlite3 sqlite3
need Rscript r-base-core
need soffice libreoffice-calc-nogui
need pdftotext poppler-utils
need python3 python3
# A plain Debian has Python without what `python3 -m venv` needs.
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || fail "these are missing: apt-get install --no-install-recommends ${missing[*]}"
  step "installing ${missing[*]}"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"
fi
command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust 1.90 or newer (https://rustup.rs)"
[ -c /dev/fuse ] || fail "/dev/fuse is missing: load the module (modprobe fuse), or start the container with --device /dev/fuse --cap-add SYS_ADMIN"

# The readers written in Python, in an environment of their own. The stamp comes last, so that an install that was
# interrupted is made again.
python=$HOME/.cache/lakota-tests/python
wanted=$(cat tests/mount/requirements.txt)
if [ "$(cat "$python/installed" 2>/dev/null)" != "$wanted" ]; then
  step "Python environment"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "the Python readers need Python 3.11 or newer, this is $(python3 --version)"
  python3 -m venv --clear "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r tests/mount/requirements.txt
  echo "$wanted" >"$python/installed"
fi
export LAKOTA_TEST_PYTHON=${LAKOTA_TEST_PYTHON:-$python/bin/python}

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto} CARGO_INCREMENTAL=0
case ${1:-} in
  --setup) exit ;;
  --quick) ;;
  "")
    step "form";  cargo fmt --check
    step "lints"; cargo clippy --all-targets --quiet -- -D warnings
    # The engine alone, and each feature without the other.
    for features in "" cli mount; do cargo clippy --quiet --lib --bins --examples --no-default-features --features "$features" -- -D warnings; done
    step "docs";  RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet
    ;;
  *) fail "unknown option $1; usage: tests/run.sh [--quick | --setup]" ;;
esac
# Random tests play the same games in every run, so that a run can be repeated; `tests/torture.sh games` plays others.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1} SEED=${SEED:-1}
step "tests"; cargo test
step "campaigns, in short"; tests/torture.sh --short
