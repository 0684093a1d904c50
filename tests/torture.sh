#!/usr/bin/env bash
# Runs the campaigns in tests/torture/: what kills, power cuts, full disks, damage and mutated input do to a repository.
# usage: tests/torture.sh [--short] [CAMPAIGN…]      (no name: all of them; --list: their names)
# Each campaign is tests/torture/NAME.sh or .py, says in its head what it shows, prints its figures on its last line, and
# exits with 0 only if nothing was lost. It reads: LAKOTA (the program), SHORT (1: about 20 seconds, else some minutes),
# SEED (what is random follows from it; printed, so that a run can be repeated).
# --short is a part of tests/run.sh and uses the debug build; a full run builds with --release and needs root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { echo "tests/torture.sh: $*" >&2; exit 2; }
campaigns() { find tests/torture -maxdepth 1 \( -name '*.sh' -o -name '*.py' \) -printf '%f\n' | sed 's/\.[a-z]*$//' | sort; }

export SHORT=0 SEED=${SEED:-$RANDOM}
while [[ ${1:-} == -* ]]; do
  case $1 in
    --short) SHORT=1 ;;
    --list) campaigns; exit ;;
    *) fail "unknown option $1; usage: tests/torture.sh [--short] [CAMPAIGN…]" ;;
  esac
  shift
done
if [ $# = 0 ]; then mapfile -t names < <(campaigns); else names=("$@"); fi
[ "$(id -u)" = 0 ] || fail "needs root: it mounts file systems"

if [ -z "${LAKOTA:-}" ]; then
  if [ $SHORT = 1 ]; then profile=debug; cargo build --quiet; else profile=release; cargo build --release --quiet; fi
  LAKOTA=${CARGO_TARGET_DIR:-$PWD/target}/$profile/lakota
fi
export LAKOTA RUST_BACKTRACE=1

failed=()
for name in "${names[@]}"; do
  script=$(find tests/torture -maxdepth 1 -name "$name.sh" -o -maxdepth 1 -name "$name.py")
  [ -n "$script" ] || fail "no campaign $name; there are: $(campaigns | tr '\n' ' ')"
  # What needs minutes and large tools is no part of the short form.
  if [ $SHORT = 1 ] && grep -q '^# not in the short form' "$script"; then continue; fi
  printf '\n== campaign %s (SEED=%s)\n' "$name" "$SEED"
  case $script in *.py) run=("${LAKOTA_TEST_PYTHON:-python3}") ;; *) run=(bash) ;; esac
  "${run[@]}" "$script" || failed+=("$name")
done
[ ${#failed[@]} = 0 ] || { echo "tests/torture.sh: failed: ${failed[*]}" >&2; exit 1; }
