# Sourced by the other scripts: creates .venv, if necessary with Debian's package for it, and sets the path of its Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

if [ ! -x .venv/bin/pip ]; then
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    as_root apt-get update -q
    as_root apt-get install -y -q --no-install-recommends python3-venv
  fi
  python3 -m venv --clear .venv
fi
python=.venv/bin/python
