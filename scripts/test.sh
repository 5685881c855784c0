#!/usr/bin/env bash
# Sets up .venv with everything for development, and the system libraries for Qt and a virtual screen; runs all checks and tests.
source "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

packages=(
  xvfb xauth libegl1 libgl1 libopengl0 libgl1-mesa-dri libglx-mesa0 libdbus-1-3 libfontconfig1 libglib2.0-0
  libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
  libxcb-shape0 libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1
)
if ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
  as_root apt-get update -q
  as_root apt-get install -y -q --no-install-recommends "${packages[@]}"
fi
"$python" -m pip install --quiet --upgrade 'pip>=25.1' # dependency groups
"$python" -m pip install --quiet torch==2.13.0 --editable '.[all]' --group dev

"$python" -m ruff check
"$python" -m ruff format --check
"$python" -m mypy
.venv/bin/lint-imports
export NAPARI_CONFIG="" # the tests must not change the settings of the user
export OMP_NUM_THREADS=1 # two processes on two cores
xvfb-run -a -s "-screen 0 1600x1000x24" "$python" -m pytest -n 2 "$@"
