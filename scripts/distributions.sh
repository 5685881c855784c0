#!/usr/bin/env bash
# Builds wheel and sdist into an empty folder, checks them, and installs each in a clean environment of each Python that is named:
#     bash scripts/distributions.sh FOLDER python3.11 python3.12 ...
# TORCH=torch==2.13.0 chooses a release of PyTorch; by default pip does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONPATH # what is installed is tried, not this checkout
folder=$(realpath -m "$1")
shift
if [ -n "$(ls -A "$folder" 2>/dev/null)" ]; then
  echo "$folder is not empty: give the name of another folder" >&2
  exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$1" -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet build twine check-wheel-contents npe2
"$work/tools/bin/python" -m build --outdir "$folder" .
"$work/tools/bin/twine" check --strict "$folder"/*
"$work/tools/bin/check-wheel-contents" "$folder"/*.whl
"$work/tools/bin/npe2" validate src/napari_sam2/napari.yaml
(cd "$folder" && sha256sum -- *.whl *.tar.gz >SHA256SUMS && cat SHA256SUMS)

for python in "$@"; do
  for file in "$folder"/*.whl "$folder"/*.tar.gz; do
    echo "== $("$python" --version): $(basename "$file")"
    rm -rf "$work/clean"
    "$python" -m venv "$work/clean"
    "$work/clean/bin/pip" install --quiet "$file" ${TORCH:-}
    (cd "$work" && clean/bin/napari-sam2 info | tee info.txt && grep -q '^check *passed' info.txt)
  done
done
