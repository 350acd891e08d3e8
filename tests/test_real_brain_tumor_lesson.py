"The brain tumour lesson on the real pictures, if CARDIOTEACH_DATA says where they are: the stored files are of them, and can be measured again."

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cardioteach import brain_tumor
from cardioteach.backbones import backbone, features
from cardioteach.claims import read_results
from cardioteach.cohort import content_hash
from cardioteach.data.brain_tumor import load
from cardioteach.split import Split

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("CARDIOTEACH_DATA" not in os.environ, reason="CARDIOTEACH_DATA is not set"),
]
WEIGHTS = {
    "mobilenet-0.25": "mobilenet_2_5_224_tf_no_top.h5",
    "mobilenet-0.75": "mobilenet_0.75_224_notop_from_tfjs.weights.h5",
}


@pytest.fixture(scope="module")
def data():
    return Path(os.environ["CARDIOTEACH_DATA"]).resolve()


@pytest.fixture(scope="module")
def cohort(data):
    return load(data / "brain_tumor")


@pytest.fixture(scope="module")
def splits(cohort):
    return [split for unit in ("image", "subject") for split in brain_tumor.five_parts(cohort, unit, 4, 0)]


@pytest.mark.parametrize("file", brain_tumor.MEASURED.values(), ids=lambda file: file.stem)
def test_stored_files_are_of_these_pictures(cohort, file):
    stored = read_results(file)
    assert stored.data["content"] == content_hash(cohort.images), "measure again: the images are others now"
    assert stored.data["subjects"] == cohort.table.subject.nunique(), "measure again: other clusters"
    assert stored.data["images"] == 253 and stored.data["subject_source"] == "inferred"
    for result in stored.results:
        if result.setting.get("metric") == "accuracy":
            assert len(result.setting["by_split"]) == 20
            assert result.low <= result.value <= result.high


def assert_agrees(table, stored, within):
    stored = {r.name: r for r in stored}
    for result in brain_tumor.results_of(table):
        assert result.value == pytest.approx(stored[result.name].value, abs=within), result.name


def test_the_frame_alone_is_measured_again(cohort, splits):
    methods = {brain_tumor.FRAME: (brain_tumor.frame_of(cohort).to_numpy(), brain_tumor.forest)}
    table = brain_tumor.predictions(cohort, methods, splits)
    for file in brain_tumor.MEASURED.values():
        assert_agrees(table, read_results(file).results, 0.02)


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_linear_head_is_measured_again(data, cohort, splits, name):
    base = backbone(name, data / "keras_weights" / WEIGHTS[name], size=128)
    methods = {"average, linear head": (features(cohort.images, base), brain_tumor.logistic)}
    table = brain_tumor.predictions(cohort, methods, splits)
    file = next(f for f in brain_tumor.MEASURED.values() if f.stem.endswith(name))
    assert_agrees(table, read_results(file).results, 0.02)


@pytest.mark.parametrize("name, area", [("mobilenet-0.25", 0.92), ("mobilenet-0.75", 0.96)])
def test_the_auc_agrees_with_an_independent_measurement(data, cohort, name, area):
    "Known from elsewhere: logistic regression on 228 distinct images, repeated 5-fold."
    from sklearn.model_selection import StratifiedKFold

    distinct = cohort[~cohort.table.content_hash.duplicated().to_numpy()]
    assert len(distinct) == 228
    base = backbone(name, data / "keras_weights" / WEIGHTS[name], size=128)
    vectors, areas = features(distinct.images, base), []
    for repeat in range(4):
        draw = StratifiedKFold(5, shuffle=True, random_state=repeat)
        for train, test in draw.split(vectors, distinct.labels):
            split = Split(train, test[:0], test, "image", repeat)
            found = brain_tumor.logistic(vectors, distinct.labels, split, 0)
            areas.append(roc_auc_score(distinct.labels[test], found))
    low, high = np.percentile(areas, [2.5, 97.5])
    assert low <= area <= high, (low, np.mean(areas), high)


def test_without_a_brain_more_is_right_than_by_the_majority(cohort):
    stored = read_results(brain_tumor.MEASURED["CNN"]).results
    assert brain_tumor.accuracy_of(stored, brain_tumor.FRAME).low > cohort.labels.mean()
