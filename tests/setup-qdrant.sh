#!/bin/sh
# Installs what stands in for a Qdrant server in the tests: Qdrant's own client for Python, whose gRPC stubs and local
# mode `tests/qdrant/server.py` is made of, at the versions that it was written for.
#
# It goes to target/qdrant/ (or to $MIYABI_QDRANT_DIR) and nowhere else; nothing is installed for the user.
# Running it again does nothing when the right versions are there. Needs Python 3.11 or later with venv; about 150 MB of
# disk.
set -eu

wanted="qdrant-client==1.20.0 grpcio==1.85.1 protobuf==7.36.2 numpy==2.4.6 pydantic==2.14.3 httpx==0.28.1 portalocker==4.4.2"

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
qdrant=${MIYABI_QDRANT_DIR:-$root/target/qdrant}

if [ "$(cat -- "$qdrant/installed" 2>/dev/null || true)" = "$wanted" ]; then
    echo "the stand-in of Qdrant is there: $qdrant"
    exit 0
fi
if ! command -v python3 >/dev/null 2>&1; then
    echo "python3 is needed to install the stand-in of Qdrant" >&2
    exit 1
fi
mkdir -p -- "$qdrant"
python3 -m venv -- "$qdrant/python"
# The list is ours and has no spaces within its words.
# shellcheck disable=SC2086
"$qdrant/python/bin/pip" install --quiet --disable-pip-version-check $wanted
printf '%s' "$wanted" > "$qdrant/installed"
echo "the stand-in of Qdrant is there: $qdrant"
