# Commands for working on miyabi. `just` lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

_default:
    @just --list

# All tests; arguments go to the test runner: `just test -p miyabi-core`.
test *args:
    cargo nextest run --workspace {{ args }}
    cargo test --doc --workspace

# The tests of sentence models on this machine, which are optional; `sh tests/setup-model.sh` installs one.
test-model:
    cargo nextest run --workspace --features local-model --test local_model

# What must be clean before a change is merged.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --features local-model -- -D warnings

# Every benchmark beside its floor; arguments choose: `just bench -p miyabi-store`.
bench *args="--workspace":
    cargo bench {{ args }} --benches

# The whole issue flow on a throw-away repository; `just demo --keep` leaves it there.
demo *args:
    cargo run --release -p miyabi -- demo {{ args }}

# What a newcomer sees: a clone of the committed state, and everything that continuous integration runs in it.
fresh:
    #!/usr/bin/env bash
    set -euo pipefail
    clone=$(mktemp -d)
    trap 'rm -rf -- "$clone"' EXIT
    git clone --quiet --no-local -- "{{ justfile_directory() }}" "$clone/miyabi"
    cd "$clone/miyabi"
    CI=true .ci/run
