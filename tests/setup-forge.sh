#!/bin/sh
# Installs what stands in for GitHub in the tests, at the versions that they were written for: a stateful stand-in of
# its API, its own examples of webhooks and their signer, its own description of its API with a checker. With it comes a
# mail server for what people are told.
#
# They go to target/forge/ (or to $MIYABI_FORGE_DIR) and nowhere else; nothing is installed for the user.
# Running it again does nothing when the right versions are there. Needs npm; about 150 MB of disk.
set -eu

wanted="emulate@0.11.2 @octokit/webhooks-examples@7.6.1 @octokit/webhooks-methods@6.0.0 @stoplight/prism-cli@5.16.0 @octokit/openapi@23.0.2 smtp-server@3.21.6 postal-mime@4.0.0"

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
forge=${MIYABI_FORGE_DIR:-$root/target/forge}

if [ "$(cat -- "$forge/installed" 2>/dev/null || true)" = "$wanted" ]; then
    echo "the stand-ins of GitHub are there: $forge"
    exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
    echo "npm is needed to install the stand-ins of GitHub: install Node.js first" >&2
    exit 1
fi
mkdir -p -- "$forge"
# The list is ours and has no spaces within its words.
# shellcheck disable=SC2086
npm install --prefix "$forge" --no-fund --no-audit --save-exact $wanted
printf '%s' "$wanted" > "$forge/installed"
echo "the stand-ins of GitHub are there: $forge"
