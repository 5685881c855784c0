#!/usr/bin/env bash
# Builds the documentation site into a folder, with warnings as errors: bash scripts/site.sh FOLDER
folder=$(realpath -m "${1:-site}")
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"
"$python" -m pip install --quiet --upgrade 'pip>=25.1' # dependency groups
"$python" -m pip install --quiet torch==2.13.0 --editable . --group docs
export NO_MKDOCS_2_WARNING=1 # of what becomes of MkDocs
exec "$python" -m mkdocs build --strict --site-dir "$folder"
