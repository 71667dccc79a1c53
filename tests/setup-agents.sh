#!/bin/sh
# Installs the coding agents that the tests drive, at the versions that they were written for.
#
# They go to target/agents/ (or to $MIYABI_AGENTS_DIR) and nowhere else; nothing is installed for the user.
# Running it again does nothing when the right version is there. Needs npm; about 360 MB of disk.
set -eu

claude_version=2.1.329

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
agents=${MIYABI_AGENTS_DIR:-$root/target/agents}
claude=$agents/node_modules/.bin/claude

has_claude() {
    [ -x "$claude" ] && "$claude" --version 2>/dev/null | grep -q "^$claude_version "
}

if has_claude; then
    echo "claude $claude_version is there: $claude"
    exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
    echo "npm is needed to install claude $claude_version: install Node.js first" >&2
    exit 1
fi
mkdir -p -- "$agents"
npm install --prefix "$agents" --no-fund --no-audit --save-exact "@anthropic-ai/claude-code@$claude_version"
# The package puts its binary in place by an install script, which some npm settings do not run.
has_claude || (cd -- "$agents/node_modules/@anthropic-ai/claude-code" && node install.cjs)
if ! has_claude; then
    echo "claude $claude_version was installed to $agents, but does not run" >&2
    exit 1
fi
echo "claude $claude_version is there: $claude"
