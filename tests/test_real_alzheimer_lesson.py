"The stored results of lesson 05, measured again on the real pictures."

import os
from pathlib import Path

import pytest

from cardioteach import alzheimer
from cardioteach.backbones import backbone
from cardioteach.claims import read_results
from cardioteach.cohort import content_hash
from cardioteach.data.alzheimer import load

pytestmark = pytest.mark.slow
DATA = Path(os.environ.get("CARDIOTEACH_DATA", "absent")) / "alzheimer_mri"
STORED = Path(alzheimer.__file__).parent / "results"


@pytest.fixture(scope="module")
def cohort():
    if not DATA.is_dir():
        pytest.skip("CARDIOTEACH_DATA does not name a folder with alzheimer_mri")
    return load(DATA)


def near(found, stored, slack):
    return abs(found.value - stored.value) <= slack and found.name == stored.name


def test_stored_results_are_of_these_pictures(cohort):
    for file in STORED.glob("alzheimer_*.json"):
        assert read_results(file).data["content"] == content_hash(cohort.images)


def test_baselines_give_the_stored_numbers(cohort):
    stored = {r.name: r for r in read_results(STORED / "alzheimer_tiny.json").results}
    for found in alzheimer.baselines(cohort):
        assert near(found, stored[found.name], 1e-6), found.name


def test_the_story(cohort):
    value = {r.name: r.value for r in read_results(STORED / "alzheimer_resnet1d-0.25.json").results}
    assert round(value["nearest neighbour, by image (leaky), true labels"], 3) == 1
    assert 0.48 < value["nearest neighbour, by subject, true labels"] < 0.51
    assert 0.57 < value["nearest neighbour, by k mod S (leaky), true labels"] < 0.60
    assert value["ResNet1d, width 0.25, 30 epochs, by image (leaky), true labels"] > 0.9
    assert value["ResNet1d, width 0.25, 30 epochs, by subject, true labels"] < 0.56


def test_the_linear_head_gives_the_stored_numbers(cohort, tmp_path):
    methods = alzheimer.linear_heads(backbone("tiny", "bundled", 128))
    plain = dict([next(iter(methods.items()))])
    stored = {r.name: r for r in read_results(STORED / "alzheimer_tiny.json").results}
    for found in alzheimer.measured_by(plain, cohort, tmp_path):
        assert near(found, stored[found.name], 0.01), found.name
