#!/bin/sh
# Find a suitable Python, make .venv, install the project and what it needs. Called by the Makefile.
set -eu
cd "$(dirname "$0")/.."

suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

find_python() {
    without_venv=
    for python in "${PYTHON:-python3}" python3.12 python3.13 python3.11 python; do
        suits "$python" || continue
        if can_make_venv "$python"; then return; fi
        without_venv="${without_venv:-$python}"
    done
    if [ -n "$without_venv" ]; then
        version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "CardioTeach: $without_venv is Python $version but lacks the modules venv and ensurepip." >&2
        echo "  On Debian or Ubuntu: sudo apt-get install python$version-venv. Then repeat the command." >&2
    else
        echo "CardioTeach: needs Python 3.11, 3.12 or 3.13; found $(python3 --version 2>/dev/null || echo none)." >&2
        echo "  Debian or Ubuntu: sudo apt-get install python3 python3-venv; macOS: brew install python@3.12." >&2
        echo "  If it has another name or place: make PYTHON=/path/to/python3.12 ..." >&2
    fi
    exit 1
}

if ! { suits .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }; then
    find_python
    echo "CardioTeach: making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
echo "CardioTeach: installing what it needs into .venv (once; some minutes, about 3 GB on disk)"
if ! PYTHONWARNINGS=ignore .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; then
    echo "CardioTeach: the installation failed; the lines above say why. Is there a network, and room on the disk?" >&2
    exit 1
fi
# nbgrader grades here from the command line alone: its panels stay out of JupyterLab
rm -f .venv/etc/jupyter/jupyter_server_config.d/nbgrader.json
.venv/bin/jupyter labextension disable --level=sys_prefix @jupyter/nbgrader >/dev/null 2>&1 || true
ln -sf nbdev-test .venv/bin/nbdev_test # the name that nbdev 2 taught
touch .venv/installed
