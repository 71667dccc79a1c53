#!/bin/sh
# Installs the coding agents that the tests drive, at the versions that they were written for.
#
# They go to target/agents/ (or to $MIYABI_AGENTS_DIR) and nowhere else; nothing is installed for the user.
# Running it again does nothing when the right versions are there. Needs npm; about 1.4 GB of disk.
set -eu

claude_version=2.1.329
codex_version=0.169.0
# Their bridges to the Agent Client Protocol.
claude_bridge_version=0.100.0
codex_bridge_version=0.16.0

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
agents=${MIYABI_AGENTS_DIR:-$root/target/agents}
bin=$agents/node_modules/.bin

has_claude() {
    [ -x "$bin/claude" ] && "$bin/claude" --version 2>/dev/null | grep -q "^$claude_version "
}

has_codex() {
    [ -x "$bin/codex" ] && "$bin/codex" --version 2>/dev/null | grep -q "^codex-cli $codex_version$"
}

# The version that the package of a bridge says it has; the programs do not all tell.
has_package() {
    grep -q "\"version\": \"$2\"" "$agents/node_modules/$1/package.json" 2>/dev/null
}

has_bridges() {
    has_package @agentclientprotocol/claude-agent-acp "$claude_bridge_version" &&
        has_package @zed-industries/codex-acp "$codex_bridge_version"
}

if ! { has_claude && has_codex && has_bridges; }; then
    if ! command -v npm >/dev/null 2>&1; then
        echo "npm is needed to install the agents: install Node.js first" >&2
        exit 1
    fi
    mkdir -p -- "$agents"
    npm install --prefix "$agents" --no-fund --no-audit --save-exact \
        "@anthropic-ai/claude-code@$claude_version" "@openai/codex@$codex_version" \
        "@agentclientprotocol/claude-agent-acp@$claude_bridge_version" \
        "@zed-industries/codex-acp@$codex_bridge_version"
    # The package puts its binary in place by an install script, which some npm settings do not run.
    has_claude || (cd -- "$agents/node_modules/@anthropic-ai/claude-code" && node install.cjs)
fi
for agent in claude codex; do
    if ! "has_$agent"; then
        echo "$agent was installed to $agents, but does not run" >&2
        exit 1
    fi
done
if ! has_bridges; then
    echo "the bridges to the Agent Client Protocol were installed to $agents, but are not there" >&2
    exit 1
fi
echo "claude $claude_version and codex $codex_version are there, with their bridges: $bin"
