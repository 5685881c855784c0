#!/usr/bin/env bash
# Sets up .venv and tracks the nuclei of the bundled time-lapse.
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
"$python" -m pip install --quiet torch==2.13.0 .
exec "$python" -m napari_sam2 demo "$@"
