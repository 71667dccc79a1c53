#!/bin/sh
# Installs bubblewrap, which gives each agent a PID namespace of its own, from the distribution's packages.
#
# Does nothing when it is there. Needs apt and root (or sudo without a password); elsewhere it says what to install.
set -eu

if command -v bwrap >/dev/null 2>&1; then
    echo "bubblewrap is there: $(bwrap --version)"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "install bubblewrap (bwrap) with the package manager of this system" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo -n"
fi
# A list of packages may be missing or old on a fresh machine.
$as_root apt-get install -qq -y bubblewrap >/dev/null 2>&1 || {
    $as_root apt-get update -qq
    $as_root apt-get install -qq -y bubblewrap
}
echo "bubblewrap is there: $(bwrap --version)"
