"The real Alzheimer slices, if CARDIOTEACH_DATA says where they are: 200 persons by two routes, and what follows from them."

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cardioteach.cohort import class_counts
from cardioteach.data.alzheimer import (
    HUB_CLASSES,
    PUBLISHED,
    class_label,
    link_tests,
    load,
    persons_from_pixels,
    verify,
)
from cardioteach.split import check_disjoint, image_vectors, nearest_neighbours, split_by_subject

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("CARDIOTEACH_DATA" not in os.environ, reason="CARDIOTEACH_DATA is not set"),
]


@pytest.fixture(scope="module")
def folder():
    return Path(os.environ["CARDIOTEACH_DATA"]).resolve() / "alzheimer_mri"


@pytest.fixture(scope="module")
def cohort(folder):
    return load(folder)


@pytest.fixture(scope="module")
def tests(cohort):
    return link_tests(cohort)


def rand(one, other):
    "Adjusted Rand index of two groupings."
    from sklearn.metrics import adjusted_rand_score

    return adjusted_rand_score(one, other)


def by_remainder(cohort):
    "The tempting rule: person = number of the file modulo the number of people in the class."
    number = cohort.table.groupby("label").cumcount().to_numpy()  # files are in the order of their numbers
    people = cohort.table.groupby("label").subject.transform("nunique").to_numpy()
    return np.array([f"{y}-{r}" for y, r in zip(cohort.labels, number % people, strict=True)])


def test_counts(cohort):
    assert len(cohort) == 6400 and cohort.images.shape == (6400, 128, 128)
    assert class_counts(cohort).images.to_dict() == PUBLISHED
    assert cohort.table["mode"].eq("L").all() and cohort.table.native_rows.eq(128).all()
    assert (cohort.images.reshape(6400, -1).std(axis=1) > 20).all()
    assert not cohort.table.content_hash.duplicated().any()


def test_two_hundred_persons(cohort):
    assert class_counts(cohort).subjects.to_dict() == {"non": 100, "very mild": 70, "mild": 28, "moderate": 2}
    places = cohort.table.groupby("subject")["slice"]
    assert (places.size() == 32).all() and (places.nunique() == 32).all()
    assert cohort.subject_source == "inferred" and cohort.table.certain.all()
    for seed in range(3):
        check_disjoint(cohort, split_by_subject(cohort, (60, 0, 40), seed))


def test_pixels_alone_find_the_same_persons(cohort, tell):
    "Without labels too: no group has images of two classes."
    found = [persons_from_pixels(cohort.images, labels) for labels in (cohort.labels, None)]
    agreement = [rand(groups, cohort.subjects) for groups in found]
    assert min(agreement) >= 0.99
    tell(
        f"alzheimer, persons by pixels against the numbering, adjusted Rand: {agreement[0]:.5f} in a class, {agreement[1]:.5f} in all"
    )


@pytest.mark.parametrize(("share", "least"), [(0.05, 0.998), (0.1, 0.99), (0.2, 0.95)])
def test_missing_slices(cohort, share, least, tell):
    kept = np.sort(np.random.default_rng(0).permutation(6400)[: round(6400 * (1 - share))])
    part = cohort[kept]
    table = pd.DataFrame({"subject": part.subjects, "group": persons_from_pixels(part.images, part.labels)})
    mixed = (table.groupby("group").subject.nunique() > 1).sum()
    assert rand(table.group, table.subject) >= least
    tell(
        f"alzheimer, {share:.0%} of the files missing: {table.group.nunique()} groups by pixels, {mixed} of them mixed"
    )


def test_link_tests(tests, tell):
    assert len(tests) == 12_400 and (tests.margin > 0).all()
    assert 0.01 < tests.margin.min() < 0.05
    tell(
        f"alzheimer, 12,400 link tests against 199 others: none failed, smallest margin {tests.margin.min():.4f}"
    )


def test_the_rule_by_remainder_is_wrong(cohort, tell):
    wrong = by_remainder(cohort)
    pairs = pd.DataFrame({"wrong": wrong, "right": cohort.subjects})
    cut = (pairs.groupby("right").wrong.nunique() > 1).sum()
    sizes = pairs.groupby("wrong").right.value_counts()
    strays = 6400 - sizes.groupby("wrong").max().sum()
    assert cut > 150 and 1000 < strays < 1500
    tell(
        f"alzheimer, person = number modulo people: {cut} of 200 persons cut, {strays} images with strangers"
    )


def test_nearest_neighbour(cohort, tell):
    "One nearest neighbour on 48 x 48 pixels: perfect by image, as good as the most frequent class by person."
    vectors = image_vectors(cohort.images, 48)
    wrong = type(cohort)(cohort.table.assign(subject=by_remainder(cohort)), cohort.classes)
    scores = {}
    for name, people, reach in (
        ("image", cohort, -1),
        ("person", cohort, np.inf),
        ("remainder", wrong, np.inf),
    ):
        nearest = nearest_neighbours(people, vectors, reach)
        scores[name] = float((cohort.labels[nearest] == cohort.labels).mean())
        if name == "image":
            same = cohort.subjects[nearest] == cohort.subjects
            assert same.mean() > 0.998
    assert scores["image"] > 0.9995
    assert 0.46 < scores["person"] < 0.53
    assert 0.56 < scores["remainder"] < 0.61
    tell(
        "alzheimer, nearest neighbour: " + ", ".join(f"{name} {score:.4f}" for name, score in scores.items())
    )


def test_verify(folder):
    findings = verify(folder)
    assert findings.level.eq("ok").all()
    said = " ".join(findings.found)
    assert "3200 non, 2240 very mild, 896 mild, 64 moderate" in said
    assert "200 persons, 200 of them with all 32 slices" in said
    assert "12,400 link tests, 0 failed" in said and "file numbers without a gap" in said


def test_a_hundredth_is_missing(folder, cohort, tmp_path):
    "Numbers keep their meaning."
    for place in sorted((folder / "Dataset").iterdir()):
        shutil.copytree(place, tmp_path / place.name)
    files = sorted(tmp_path.glob("*/*.jpg"))
    for i in np.random.default_rng(1).permutation(len(files))[:64]:
        files[i].unlink()
    thinned = load(tmp_path)
    of_file = {
        Path(file).name: subject for file, subject in zip(cohort.table.file, cohort.subjects, strict=True)
    }
    assert [of_file[Path(file).name] for file in thinned.table.file] == thinned.subjects.tolist()
    assert "slice" in thinned.table


def test_dealt_anew_as_a_table(cohort, tmp_path, tell):
    "The real pictures as Hugging Face packs them, in an order of ours: its own files are not here."
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    order = np.random.default_rng(0).permutation(6400)
    meaning = [class_label(name) for name in HUB_CLASSES]
    features = {"label": {"names": list(HUB_CLASSES), "_type": "ClassLabel"}}
    for name, rows in (("train", order[:5120]), ("test", order[5120:])):
        image = [{"bytes": Path(cohort.table.file[i]).read_bytes(), "path": None} for i in rows]
        table = pyarrow.table({"image": image, "label": [meaning.index(cohort.labels[i]) for i in rows]})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        content = io.BytesIO()
        parquet.write_table(table, content)
        (tmp_path / f"{name}-00000.parquet").write_bytes(content.getvalue())
    found, order = load(tmp_path), np.concatenate([order[5120:], order[:5120]])
    assert np.array_equal(found.images, cohort.images[order])
    assert np.array_equal(found.labels, cohort.labels[order])
    agreement = rand(found.subjects, cohort.subjects[order])
    assert agreement >= 0.99
    shared = set(found.subjects[found.table.part == "test"]) & set(
        found.subjects[found.table.part == "train"]
    )
    assert len(shared) == found.table.subject[found.table.part == "test"].nunique()
    tell(
        f"alzheimer, dealt anew: adjusted Rand {agreement:.5f}; {len(shared)} persons of the test part in training"
    )
