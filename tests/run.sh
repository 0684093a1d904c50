#!/usr/bin/env bash
# Passes all tests on a fresh Debian machine: installs what they need, then checks form, code, docs and behaviour.
# usage: tests/run.sh [--quick]     (--quick: the tests alone)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

step() { printf '\n== %s\n' "$*"; }

need() { # command, Debian package
  command -v "$1" >/dev/null 2>&1 && return
  step "installing $2"
  [ "$(id -u)" = 0 ] || { echo "tests/run.sh: $1 is missing: apt-get install $2" >&2; exit 1; }
  [ -n "${APT_UPDATED:-}" ] || { apt-get update -q; APT_UPDATED=1; }
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$2"
}

need cc gcc
need git git
command -v cargo >/dev/null 2>&1 || { echo "tests/run.sh: cargo is missing: install Rust 1.90 or newer (https://rustup.rs)" >&2; exit 1; }

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto} CARGO_INCREMENTAL=0
if [ "${1:-}" != --quick ]; then
  step "form";  cargo fmt --check
  step "lints"; cargo clippy --all-targets --quiet -- -D warnings
  step "docs";  RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet
fi
step "tests"; cargo test
