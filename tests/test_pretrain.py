"Cartoons drawn in two processes, and the bundled backbone made again at small scale by its command."

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from lessons import ROOT

from cardioteach.cartoons import cartoons


def test_cartoons_are_the_same_in_two_processes():
    alone, together = cartoons(220, seed=4), cartoons(220, seed=4, processes=2)
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, two)


def test_cartoons_need_no_keras():
    code = "import cardioteach.cartoons, sys; print({'keras', 'tensorflow', 'jax'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()"]


def test_cartoons_share_no_code_with_phantoms():
    text = (ROOT / "cardioteach" / "cartoons.py").read_text(encoding="utf-8")
    assert "cardioteach.phantom" not in text and "from .phantom" not in text
    for file in (ROOT / "cardioteach" / "phantom").glob("*.py"):
        assert "cartoons" not in file.read_text(encoding="utf-8"), file


@pytest.mark.slow
def test_the_command_gives_the_same_weights_twice(tmp_path):
    notes = []
    for name in ("one", "two"):
        command = [
            sys.executable,
            "tools/backbone.py",
            "--images",
            "300",
            "--steps",
            "5",
            "--out",
            tmp_path / name,
        ]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"TQDM_DISABLE": "1"}
        )
        assert done.returncode == 0, done.stderr[-3000:]
        notes.append(json.loads((tmp_path / name / "tiny.json").read_text()))
        assert (tmp_path / name / "tiny.weights.h5").stat().st_size < 1_000_000
    assert notes[0] == notes[1]
