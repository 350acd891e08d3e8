"Phantom atrophy on disk: the layouts of the Alzheimer sets to the letter, people who can be found again, stages that overlap."

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cardioteach.cohort import InputError
from cardioteach.phantom import atrophy as phantom

SUBJECTS = 9
CLASSES = {
    "Non_Demented": "non",
    "Very_Mild_Demented": "verymild",
    "Mild_Demented": "mild",
    "Moderate_Demented": "moderate",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return phantom.make(tmp_path_factory.mktemp("phantom") / "numbered", subjects=SUBJECTS)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return phantom.make(tmp_path_factory.mktemp("phantom") / "parts", subjects=SUBJECTS, layout="parts")


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_numbered_layout(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {*CLASSES, "SYNTHETIC.txt", "phantom.json", "truth.csv", ".lock"}
    for (where, stem), persons in zip(CLASSES.items(), phantom.counts(SUBJECTS).values(), strict=True):
        files = {path.name for path in (folder / where).iterdir()}
        assert files == {f"{stem}.jpg"} | {f"{stem}_{k}.jpg" for k in range(2, 32 * persons + 1)}
        image = Image.open(folder / where / f"{stem}.jpg")
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (128, 128))
    notes = json.loads((folder / "phantom.json").read_text())
    assert (
        notes["version"] == phantom.PHANTOM_VERSION and "SYNTHETIC" in (folder / "SYNTHETIC.txt").read_text()
    )


def test_parts_layout(parts):
    names = [name for name in contents(parts) if name.endswith(".jpg")]
    kind = "|".join(stage.part for stage in phantom.STAGES)
    train = "|".join(stage.part_stem for stage in phantom.STAGES)
    tests = [
        re.fullmatch(rf"Alzheimer_s Dataset/test/({kind})/(\d+)( \(\d+\))?\.jpg", name) for name in names
    ]
    trains = [
        re.fullmatch(rf"Alzheimer_s Dataset/train/({kind})/({train})(\d+)\.jpg", name) for name in names
    ]
    assert all(bool(a) != bool(b) for a, b in zip(tests, trains, strict=True))
    assert {int(found[2]) for found in tests if found} == set(range(26, 33))
    assert " (1)" not in {found[3] for found in tests if found}
    for stage, persons in zip(phantom.STAGES, phantom.counts(SUBJECTS).values(), strict=True):
        numbers = sorted(int(found[3]) for found in trains if found and found[1] == stage.part)
        assert numbers == list(range(25 * persons + -(-3 * persons // 5)))
    image = Image.open(parts / names[0])
    assert (image.format, image.mode, image.size) == ("JPEG", "L", (176, 208))


def test_both_layouts_show_the_same_slices(folder, parts):
    tables = [pd.read_csv(place / "truth.csv") for place in (folder, parts)]
    one, other = (table.set_index(["person", "slice"]) for table in tables)
    assert one.drop(columns="file").equals(other.drop(columns="file").loc[one.index])
    for key in one.index[:: len(one) // 7]:
        small, large = folder / one.loc[key, "file"], Image.open(parts / other.loc[key, "file"])
        large = np.asarray(large.resize((128, 128), Image.Resampling.BICUBIC), float)
        assert np.corrcoef(pixels(small).ravel(), large.ravel())[0, 1] > 0.995


def test_truth_is_complete(folder):
    table = pd.read_csv(folder / "truth.csv")
    assert list(table) == ["file", "label", "person", "slice", "z", "age"]
    assert sorted(table["file"]) == sorted(name for name in contents(folder) if name.endswith(".jpg"))
    assert not table.duplicated(["person", "slice"]).any() and set(table["slice"]) == set(range(1, 33))
    assert (table.groupby("person")[["label", "z", "age"]].nunique() == 1).all(axis=None)
    assert table.groupby("label")["person"].nunique().to_dict() == phantom.counts(SUBJECTS)
    assert table.equals(phantom.truth(SUBJECTS))


def test_numbering_of_two_people():
    "Written out from the real set: Moderate_Demented, two people."
    found = phantom._names(phantom.STAGES[3], 2, "numbered")
    order = [(person, place) for person, place, _ in found]
    assert order[:12] == [(person, place) for place in range(27, 33) for person in (2, 1)]
    assert order[12:62] == [(person, place) for place in range(1, 26) for person in (2, 1)]
    assert order[62:] == [(2, 26), (1, 26)]
    assert [name for *_, name in found[:2]] == [
        "Moderate_Demented/moderate.jpg",
        "Moderate_Demented/moderate_2.jpg",
    ]


@pytest.mark.parametrize("persons", [2, 3, 10, 28, 70, 100, 101, 333])
def test_numbering_is_one_to_one(persons):
    test, train = phantom._orders(persons)
    everyone = {(person, place) for person in range(1, persons + 1) for place in range(1, 33)}
    assert len(test + train) == len(everyone) and set(test + train) == everyone
    assert {place for _, place in train} == set(range(1, 27))
    assert {place for _, place in test} | {26} == set(range(26, 33))


def test_people_are_in_two_orders():
    "By number in the test part, by number read as text in the training part; the first person is the last in both."
    test, train = phantom._orders(12)
    assert [person for person, place in test if place == 27] == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1]
    assert [person for person, place in train if place == 1] == [10, 11, 12, 2, 3, 4, 5, 6, 7, 8, 9, 1]
    assert [person for person, place in test if place == 26] == [10, 11, 12, 1]
    assert [person for person, place in train if place == 26] == [2, 3, 4, 5, 6, 7, 8, 9]
    guesses = pd.DataFrame({"guess": np.arange(384) % 12, "person": [person for person, _ in test + train]})
    assert (guesses.groupby("guess")["person"].nunique() > 1).any()  # number modulo people is no rule


def test_smallest_set_has_two_people_in_each_stage():
    assert set(phantom.counts(8).values()) == {2}
    assert phantom.counts() == {"non": 100, "very mild": 70, "mild": 28, "moderate": 2}


def test_same_seed_same_bytes_and_other_seed_other_people(folder, tmp_path):
    again = phantom.make(tmp_path / "again", subjects=SUBJECTS, processes=1)
    assert contents(again) == contents(folder)
    one, other = phantom.truth(SUBJECTS), phantom.truth(SUBJECTS, seed=1)
    assert one["file"].equals(other["file"]) and not set(one["z"]) & set(other["z"])
    stage = phantom.STAGES[0]
    ours, theirs = (phantom.cut_subject(phantom.draw_subject(stage, 1, seed), 20).labels() for seed in (0, 1))
    assert (ours != theirs).mean() > 0.05


def test_people_do_not_depend_on_the_size_of_the_set():
    small, large = (phantom.truth(n).drop_duplicates("person").set_index("person")["z"] for n in (8, 30))
    assert small.equals(large[small.index])


def test_interrupted_set_is_completed(folder, tmp_path):
    place = Path(shutil.copytree(folder, tmp_path / "broken"))
    table = pd.read_csv(place / "truth.csv").sort_values(["person", "slice"])
    for file in table.loc[table["person"] == "mild-2", "file"][20:]:
        (place / file).unlink()
    (place / "truth.csv").unlink()
    untouched = place / table.loc[table["person"] == "non-1", "file"].iloc[0]
    before = untouched.stat().st_mtime_ns
    phantom.make(place, subjects=SUBJECTS)
    assert contents(place) == contents(folder) and untouched.stat().st_mtime_ns == before


def test_default_folder_is_in_the_cache_under_its_own_name(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(phantom, "fill", lambda folder, name, *rest: asked.append((folder, name)) or tmp_path)
    phantom.make(subjects=8), phantom.make(subjects=8, layout="parts"), phantom.make(subjects=8, seed=3)
    assert all(folder is None for folder, _ in asked) and len({name for _, name in asked}) == 3


def test_background_is_black_and_the_outline_common(folder):
    table = pd.read_csv(folder / "truth.csv")
    for place in (1, 16, 32):
        images = np.stack([pixels(folder / file) for file in table.loc[table["slice"] == place, "file"]])
        assert images[:, :8].max() == images[:, -8:].max() == images[:, :, :8].max() == 0
        sizes = (images > 12).sum((1, 2))
        assert np.ptp(sizes) < 0.02 * sizes.mean()


def test_neighbouring_slices_resemble_each_other_and_people_do_not(folder):
    table = pd.read_csv(folder / "truth.csv").sort_values(["person", "slice"])
    series = np.stack([pixels(folder / file) for file in table["file"]]).reshape(SUBJECTS, 32, -1)[:, :, ::7]
    own = [np.corrcoef(person[10], person[11])[0, 1] for person in series]
    others = np.corrcoef(series[:, 10])[np.triu_indices(SUBJECTS, 1)]
    assert min(own) > max(others)


def test_stages_rise_on_average_and_overlap():
    areas = [
        np.array([phantom.ventricle_mm2(phantom.draw_subject(stage, i)) for i in range(1, 81)])
        for stage in phantom.STAGES
    ]
    means = [np.log(area).mean() for area in areas]
    assert means == sorted(means) and 0.15 < means[3] - means[0] < 0.7
    assert (areas[0] > np.median(areas[2])).mean() > 0.1 and (areas[2] < np.median(areas[0])).mean() > 0.1


def test_grains_and_folds_are_a_persons_own():
    "The same anatomy with more atrophy keeps its outline and its folds, and loses brain."
    subject = phantom.draw_subject(phantom.STAGES[0], 1)
    old = replace(
        subject.person, ventricles=1.5 * subject.person.ventricles, sulci=1.3 * subject.person.sulci
    )
    young, aged = (phantom.cut_subject(who, 20).labels() for who in (subject, replace(subject, person=old)))
    csf = phantom.TISSUES.index("csf")
    assert (aged == csf).sum() > 1.15 * (young == csf).sum() and (aged == young).mean() > 0.8


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"subjects": 7}, "8 to 2000"),
        ({"subjects": 2001}, "8 to 2000"),
        ({"seed": -1}, "0 or more"),
        ({"layout": "Dataset"}, "'numbered' or 'parts'"),
    ],
)
def test_errors(wrong, says, tmp_path):
    for function in (phantom.truth, lambda **given: phantom.make(tmp_path / "wrong", **given)):
        with pytest.raises(InputError, match=says):
            function(**wrong)
    assert not (tmp_path / "wrong").exists()


def test_another_phantom_is_not_overwritten(folder):
    with pytest.raises(InputError, match="another phantom"):
        phantom.make(folder, subjects=SUBJECTS, layout="parts")


@pytest.mark.slow
def test_real_look():
    "The numbers printed as the real set's are those of the real set."
    data = os.environ.get("CARDIOTEACH_DATA")
    if not data or not Path(data, "alzheimer_mri/Dataset").is_dir():
        pytest.skip("CARDIOTEACH_DATA names no folder with alzheimer_mri/Dataset")
    series = []
    for stage, persons in zip(phantom.STAGES, phantom.counts().values(), strict=True):
        names = {(i, k): name for i, k, name in phantom._names(stage, persons, "numbered")}
        files = [names[i, k] for i in range(1, persons + 1) for k in range(1, 33)]
        series += [pixels(Path(data, "alzheimer_mri/Dataset", file)) for file in files]
    measured = phantom.measure_look(np.stack(series).reshape(200, 32, 128, 128))
    assert measured == pytest.approx(phantom.REAL_LOOK, rel=0.02)
