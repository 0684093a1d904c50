#!/usr/bin/env bash
# Plays the random tests of the engine with a new seed and more cases: replicas that write, alter, tag, copy, trim and
# collect (converge), histories beside a model, programs that write through a mount, text that is read back.
# not in the short form: tests/run.sh plays the same games with one seed. CASES: how many of each (600).
set -euo pipefail

cases=${CASES:-600} seed=${SEED:-1}
export PROPTEST_RNG_SEED=$seed PROPTEST_CASES=$cases
cargo test --quiet --lib --test engine
echo "games: $cases of each with seed $seed: all went well"
