#!/bin/sh
# Installs the coding agents that the tests drive, at the versions that they were written for.
#
# They go to target/agents/ (or to $MIYABI_AGENTS_DIR) and nowhere else; nothing is installed for the user.
# Running it again does nothing when the right versions are there. Needs npm; about 760 MB of disk.
set -eu

claude_version=2.1.329
codex_version=0.169.0

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
agents=${MIYABI_AGENTS_DIR:-$root/target/agents}
bin=$agents/node_modules/.bin

has_claude() {
    [ -x "$bin/claude" ] && "$bin/claude" --version 2>/dev/null | grep -q "^$claude_version "
}

has_codex() {
    [ -x "$bin/codex" ] && "$bin/codex" --version 2>/dev/null | grep -q "^codex-cli $codex_version$"
}

if ! { has_claude && has_codex; }; then
    if ! command -v npm >/dev/null 2>&1; then
        echo "npm is needed to install the agents: install Node.js first" >&2
        exit 1
    fi
    mkdir -p -- "$agents"
    npm install --prefix "$agents" --no-fund --no-audit --save-exact \
        "@anthropic-ai/claude-code@$claude_version" "@openai/codex@$codex_version"
    # The package puts its binary in place by an install script, which some npm settings do not run.
    has_claude || (cd -- "$agents/node_modules/@anthropic-ai/claude-code" && node install.cjs)
fi
for agent in claude codex; do
    if ! "has_$agent"; then
        echo "$agent was installed to $agents, but does not run" >&2
        exit 1
    fi
done
echo "claude $claude_version and codex $codex_version are there: $bin"
