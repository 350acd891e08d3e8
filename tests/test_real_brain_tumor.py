"The real brain-tumour pictures, if CARDIOTEACH_DATA says where they are: counts, formats, exact and near copies."

import os
from pathlib import Path

import numpy as np
import pytest

from cardioteach.cohort import InputError, class_counts
from cardioteach.data.brain_tumor import CLASSES, class_folders, load, picture_files, verify
from cardioteach.duplicates import find, threshold_curve
from cardioteach.split import check_disjoint, split_by_subject

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("CARDIOTEACH_DATA" not in os.environ, reason="CARDIOTEACH_DATA is not set"),
]


@pytest.fixture(scope="module")
def folder():
    return Path(os.environ["CARDIOTEACH_DATA"]).resolve() / "brain_tumor"


@pytest.fixture(scope="module")
def cohort(folder):
    return load(folder)


@pytest.fixture(scope="module")
def files(folder):
    return picture_files(class_folders(folder))


@pytest.fixture(scope="module")
def copies(files):
    return find(files)


def in_clusters(copies):
    "How many pictures are in clusters of two and more, and how many such clusters there are."
    sizes = np.bincount(copies.clusters)
    return sizes[sizes > 1].sum(), (sizes > 1).sum()


def across(copies, cohort):
    "How many pairs have one picture of each class."
    return (cohort.labels[copies.pairs["first"]] != cohort.labels[copies.pairs["second"]]).sum()


def test_counts_modes_and_sizes(cohort):
    assert class_counts(cohort).images.to_dict() == {"no": 98, "yes": 155}
    assert cohort.images.shape == (253, 128, 128) and cohort.images.dtype == np.uint8
    assert (cohort.images.reshape(253, -1).std(axis=1) > 20).all()
    kinds = cohort.table.groupby(["format", "mode"]).size().to_dict()
    jpeg = {("JPEG", "RGB"): 216, ("JPEG", "L"): 29}
    assert kinds == jpeg | {("PNG", "RGBA"): 5, ("PNG", "RGB"): 1, ("PNG", "P"): 1, ("PNG", "L"): 1}
    sides = cohort.table[["native_rows", "native_columns"]]
    assert len(sides.drop_duplicates()) == 184
    assert (sides.min().min(), sides.native_rows.min(), sides.max().max()) == (150, 168, 1920)


def test_exact_copies(folder):
    cohort = load(folder, near=None)
    sets = cohort.table.groupby("content_hash").label.agg(["size", "nunique"]).query("size > 1")
    assert (len(sets), sets["size"].sum(), sets["size"].sum() - len(sets)) == (22, 47, 25)
    assert (sets["nunique"] == 1).all()
    assert cohort.table.subject.nunique() == 228
    assert cohort.notes[1] == "identical pixels: 22 sets with 47 of 253 pictures (25 redundant)"


def test_average_hash(files, cohort):
    "16 x 16 average hash of the whole picture, distance at most 2: figures of another implementation."
    copies = find(files, 2, "average", trim=False)
    assert len(copies.pairs) == 62 and across(copies, cohort) == 0
    assert in_clusters(copies) == (78, 33)


def test_near_copies_and_strangers_are_far_apart(copies, cohort, tell):
    curve = threshold_curve(copies.bits, cohort.labels)
    assert (curve.pairs[28:56] == 78).all() and curve.across[56] == 0
    assert len(copies.pairs) == 78 and copies.pairs.distance.max() == 28
    assert in_clusters(copies) == (92, 38)
    first = int((curve.pairs > 78).idxmax()), int((curve.across > 0).idxmax())
    tell(
        f"brain tumour, dct hash with the margin off: {len(copies.pairs)} pairs up to 28 bits, no other up to {first[0] - 1}; "
        f"the first pair across classes at {first[1]}"
    )


def test_the_two_hashes_differ(files, copies, tell):
    "The average hash misses copies that were cut, and joins what looks different."
    pairs = [
        set(zip(found.pairs["first"], found.pairs["second"], strict=True))
        for found in (find(files, 2, "average", trim=False), copies)
    ]
    missed, joined = pairs[1] - pairs[0], pairs[0] - pairs[1]
    assert (len(missed), len(joined)) == (18, 2)
    apart = [int((copies.bits[i] != copies.bits[j]).sum()) for i, j in joined]
    assert min(apart) > 80
    tell(
        f"brain tumour, average hash at 2 bits: 18 pairs missed, 2 joined that are {apart} bits apart by dct"
    )


def test_subjects_are_clusters(cohort, copies):
    assert cohort.subject_source == "inferred" and cohort.table.subject.nunique() == 199
    assert (cohort.table.groupby(copies.clusters).subject.nunique() == 1).all()
    assert (cohort.table.groupby("subject").label.nunique() == 1).all()
    for seed in range(5):
        check_disjoint(cohort, split_by_subject(cohort, (80, 0, 20), seed))


def test_verify(folder):
    findings = verify(folder)
    assert set(findings.level) == {"warning", "ok"}
    assert findings.query("level == 'ok'").found.tolist()[0] == "98 no, 155 yes"
    said = " ".join(findings.found)
    assert "22 sets with 47 of 253 pictures" in said and "near copies: 49 pairs" in said
    assert "no copy stands in another class" in said


def test_the_archive_as_packed(folder, tmp_path):
    "506 files: yes/ and no/, and both again below."
    inner = class_folders(folder)
    (tmp_path / "brain_tumor_dataset").symlink_to(inner)
    for name in CLASSES:
        (tmp_path / name).symlink_to(inner / name)
    with pytest.raises(InputError, match="506 files: the pictures twice"):
        load(tmp_path)
    findings = verify(tmp_path)
    assert findings.level[0] == "error" and findings.found[0].startswith("506 files")
    assert len(load(tmp_path / "brain_tumor_dataset", size=32)) == 253
