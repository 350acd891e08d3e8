"Alzheimer folders in three layouts, whole, thinned, renamed and damaged: who is who, and one error for each mistake."

import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from cardioteach.cohort import InputError
from cardioteach.data import alzheimer
from cardioteach.data.alzheimer import (
    CLASSES,
    HUB_CLASSES,
    SLICES,
    find_layout,
    link_tests,
    load,
    numbering,
    persons_from_pixels,
    verify,
    who_is_who,
)

PEOPLE = {"Non_Demented": 11, "Very_Mild_Demented": 2, "Mild_Demented": 2, "Moderate_Demented": 2}
STEMS = dict(zip(PEOPLE, ("non", "verymild", "mild", "moderate"), strict=True))


# --- the set, written from its file names alone: no function of the reader helps


def older_names(persons):
    "Names of the older release, test and train: `26 (2).jpg`, slice and person; person 1 has no bracket."

    def name(place, person):
        return f"{place} ({person}).jpg" if person > 1 else f"{place}.jpg"

    people = [*range(2, persons + 1), 1]
    in_order = [(place, [name(place, person) for person in people]) for place in range(1, 33)]
    cut = int(np.ceil(round(0.6 * persons, 6)))
    test = in_order[25][1][cut:] + [file for _, files in in_order[26:] for file in files]
    train = [file for _, files in in_order[:25] for file in sorted(files)] + sorted(in_order[25][1][:cut])
    return test, train


def shown(name):
    "Person and slice of a name of the older release."
    place, _, person = name.removesuffix(".jpg").partition(" ")
    return int(person.strip("()") or 1), int(place)


def draw(person, side=64):
    "The 32 slices of a person, (32, side, side) uint8: a texture that changes slowly from slice to slice."
    random = np.random.default_rng(person)
    field = gaussian_filter(random.standard_normal((SLICES, side, side)), (4, 1.5, 1.5), mode="wrap")
    r, c = np.mgrid[:side, :side] / side - 0.5
    inside = np.hypot(r / 0.46, c / 0.4) < 1
    return (np.clip(130 + 45 * field / field.std(), 1, 255) * inside).astype(np.uint8)


def packed(pixels, kind="PNG", mode="L", **options):
    "Content of a picture file."
    content = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(content, kind, **options)
    return content.getvalue()


@pytest.fixture(scope="module")
def slices():
    "Content of the picture of each (class folder, person, slice)."
    found = {}
    for i, (name, persons) in enumerate(PEOPLE.items()):
        for person in range(1, persons + 1):
            for place, pixels in enumerate(draw(100 * i + person), start=1):
                found[name, person, place] = packed(pixels)
    return found


def numbered_name(stem, k):
    return f"{stem}_{k + 1}.jpg" if k else f"{stem}.jpg"


def write_numbered(folder, slices):
    for name, persons in PEOPLE.items():
        (folder / name).mkdir(parents=True)
        test, train = older_names(persons)
        for k, old in enumerate(test + train):
            (folder / name / numbered_name(STEMS[name], k)).write_bytes(slices[name, *shown(old)])
    return folder


def write_parts(folder, slices):
    for name, persons in PEOPLE.items():
        stem = {"Non_Demented": "nonDem"}.get(name, f"{STEMS[name]}Dem")
        test, train = older_names(persons)
        files = {f"test/{name.replace('_', '')}/{old}": old for old in test}
        files |= {f"train/{name.replace('_', '')}/{stem}{j}.jpg": old for j, old in enumerate(train)}
        for file, old in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(slices[name, *shown(old)])
    return folder


@pytest.fixture(scope="module")
def sound(tmp_path_factory, slices):
    "A sound numbered folder, not to be changed."
    return write_numbered(tmp_path_factory.mktemp("sound") / "Dataset", slices)


@pytest.fixture
def folder(tmp_path, slices):
    return write_numbered(tmp_path / "Dataset", slices)


def truth_of(files, slices):
    "Class, person and slice of each file, by its content."
    by_content = {content: key for key, content in slices.items()}
    return [by_content[open(file, "rb").read()] for file in files]


def same_people(subjects, truth):
    "Whether two ways to name persons mean the same persons."
    pairs = set(zip(subjects, truth, strict=True))
    return len(pairs) == len(set(subjects)) == len(set(truth))


# --- the numbering


@pytest.mark.parametrize("persons", [*range(1, 31), 70, 100])
def test_numbering_follows_from_names(persons):
    test, train = older_names(persons)
    assert numbering(persons).tolist() == [list(shown(name)) for name in test + train]


def test_counts_of_the_older_release():
    counts = [tuple(map(len, older_names(persons))) for persons in (100, 70, 28, 2)]
    assert counts == [(640, 2560), (448, 1792), (179, 717), (12, 52)]
    assert [tuple(map(len, alzheimer.older_parts(persons))) for persons in (100, 70, 28, 2)] == counts


# --- layouts


def test_numbered_layout(sound, slices):
    cohort = load(sound, size=64)
    assert cohort.classes == CLASSES and cohort.subject_source == "inferred"
    assert cohort.images.shape == (17 * 32, 64, 64) and cohort.images.dtype == np.uint8
    assert cohort.table.columns.tolist() == [
        *("subject", "file", "label", "slice", "certain"),
        *("native_rows", "native_columns", "mode", "content_hash"),
    ]
    truth = truth_of(cohort.table.file, slices)
    assert [f"{STEMS[name]}-{person:03d}" for name, person, _ in truth] == cohort.subjects.tolist()
    assert [place for _, _, place in truth] == cohort.table["slice"].tolist()
    assert [list(PEOPLE).index(name) for name, _, _ in truth] == cohort.labels.tolist()
    assert cohort.table.certain.all()
    said = "17 persons, 17 of them with all 32 slices, found from the numbering; the pixels alone find 17 of them too"
    assert cohort.notes == (said,)
    image = cohort.images[cohort.table.file.str.endswith("Mild_Demented/mild_5.jpg")][0]
    assert np.array_equal(image, np.asarray(Image.open(sound / "Mild_Demented" / "mild_5.jpg")))


def test_the_folder_around_it(sound):
    assert find_layout(sound.parent) == ("numbered", sound)
    assert len(load(sound.parent, size=16)) == 17 * 32


def test_parts(tmp_path, slices):
    write_parts(tmp_path / "Alzheimer_s Dataset", slices)
    cohort = load(tmp_path, size=32)
    truth = truth_of(cohort.table.file, slices)
    assert [f"{STEMS[name]}-{person:03d}" for name, person, _ in truth] == cohort.subjects.tolist()
    assert [place for _, _, place in truth] == cohort.table["slice"].tolist()
    assert cohort.table.certain.all() and cohort.table.part.value_counts()["test"] == 70 + 4 + 12 * 3 - 4
    assert "pictures squashed to 32 x 32 pixels: 544 of 64 x 64" in cohort.notes
    findings = verify(tmp_path)
    leaky = findings[findings.found.str.startswith("leaky: 17 of the 17 persons in the test part")]
    assert leaky.level.tolist() == ["warning"] and "Split by subject" in leaky.remedy.iloc[0]


def test_parts_with_gaps_and_strange_names(tmp_path, slices):
    place = write_parts(tmp_path / "set", slices)
    for file in ("train/NonDemented/nonDem7.jpg", "test/NonDemented/27 (3).jpg"):
        (place / file).unlink()
    cohort = load(place, size=16)
    truth = truth_of(cohort.table.file, slices)
    assert [(person, at) for _, person, at in truth] == [
        (int(subject[-3:]), at) for subject, at in zip(cohort.subjects, cohort.table["slice"], strict=True)
    ]
    (place / "test" / "NonDemented" / "12 (3).jpg").write_bytes(slices["Non_Demented", 3, 27])
    cohort = load(place, size=16)  # slice 12 was never in the test part: the name does not count
    assert "slice" not in cohort.table and "the file names do not say who is who" in cohort.notes[-1]


def test_other_pixels_are_said(folder, slices):
    "Colour modes, other sizes: grey, squashed, the same people, and notes that say so."
    before = load(folder, size=64)
    for k, mode in ((3, "RGB"), (4, "P"), (5, "RGBA")):
        file = folder / "Non_Demented" / f"non_{k}.jpg"
        picture = Image.open(file).resize((176, 208) if k == 3 else (64, 64))
        file.write_bytes(packed(np.asarray(picture), mode=mode))
    cohort = load(folder, size=64)
    assert cohort.notes[:2] == (
        "pictures squashed to 64 x 64 pixels: 1 of 208 x 176",
        "3 pictures of other modes made grey",
    )
    assert np.abs(cohort.images.astype(int) - before.images).mean() < 0.1
    assert cohort.subjects.tolist() == before.subjects.tolist() and cohort.table.certain.all()
    findings = verify(folder)
    assert findings.level[findings.expected == "one size and mode"].tolist() == ["warning"]


def test_leftovers_of_file_managers_are_ignored(folder):
    for name in (".DS_Store", "._non.jpg", "Thumbs.db", "desktop.ini"):
        (folder / "Non_Demented" / name).write_bytes(b"not a picture")
    (folder / "notes").mkdir()
    (folder / "SYNTHETIC.txt").touch()
    cohort = load(folder, size=16)
    assert len(cohort) == 17 * 32 and cohort.notes[0] == "drawn phantoms, not patients"
    assert "drawn phantoms: 352 non, 64 very mild, 64 mild, 64 moderate" in verify(folder).found.tolist()


# --- who is who when names do not say


def test_missing_files_keep_the_meaning_of_the_others(folder, slices):
    random = np.random.default_rng(0)
    files = sorted(folder.glob("*/*.jpg"))
    for i in random.permutation(len(files))[: len(files) // 10]:
        files[i].unlink()
    cohort = load(folder, size=16)
    truth = truth_of(cohort.table.file, slices)
    assert [f"{STEMS[name]}-{person:03d}" for name, person, _ in truth] == cohort.subjects.tolist()
    assert "found from the numbering" in cohort.notes[-1]
    assert f"file numbers missing: {len(files) // 10}" in verify(folder).found.tolist()


def test_renamed_files_are_noticed(folder, slices):
    random = np.random.default_rng(0)
    for name, stem in STEMS.items():
        files = sorted((folder / name).iterdir())
        contents = [file.read_bytes() for file in files]
        for file, i in zip(files, random.permutation(len(files)), strict=True):
            file.write_bytes(contents[i])
        assert files[0].name == f"{stem}.jpg"
    cohort = load(folder, size=64)
    assert "slice" not in cohort.table and not cohort.table.certain.any()
    assert "so it is not believed" in cohort.notes[-1]
    assert same_people(cohort.subjects, [key[:2] for key in truth_of(cohort.table.file, slices)])
    findings = verify(folder)
    doubt = findings[findings.found.str.contains("so it is not believed")]
    assert doubt.level.tolist() == ["warning"]
    assert not findings.found.str.contains("link tests").any()


STRANGE = {"scan.jpg": "without", "non_999999999999.jpg": "without", "non_0.jpg": "without"}
STRANGE |= {"non_1.jpg": "there twice", "non_2.png": "there twice"}


@pytest.mark.parametrize("name", STRANGE)
def test_one_strange_name(folder, slices, name):
    "A name without a number, with an absurd one, or with one that is there already: persons from the pixels."
    (folder / "Non_Demented" / name).write_bytes(slices["Non_Demented", 1, 1])
    cohort = load(folder, size=16)
    assert "slice" not in cohort.table and "the file names do not say who is who" in cohort.notes[-1]
    names = verify(folder)
    names = names[names.expected == "numbers without a gap"]
    assert names.level.tolist() == ["warning"]
    assert STRANGE[name] in names.found.iloc[0] and names.found.iloc[0].endswith(": 1")


def test_two_people_exchanged_are_not_certain(folder):
    "The numbering holds for the others, and says whom it does not hold for."
    files = [folder / "Very_Mild_Demented" / f"verymild_{k}.jpg" for k in (40, 41)]
    contents = [file.read_bytes() for file in files]
    for file, content in zip(files, reversed(contents), strict=True):
        file.write_bytes(content)
    cohort = load(folder, size=64)
    doubtful = cohort.table[~cohort.table.certain]
    assert sorted(doubtful.subject.unique()) == ["verymild-001", "verymild-002"] and len(doubtful) == 64
    failed = link_tests(cohort).query("margin <= 0")
    assert set(failed.subject) == {"verymild-001", "verymild-002"} and len(failed) == 8
    findings = verify(folder)
    failing = findings[findings.found.str.startswith("1,054 link tests, 8 failed")]
    assert failing.level.tolist() == ["warning"]


def test_persons_from_pixels_whatever_the_order(slices):
    random = np.random.default_rng(0)
    keys = [list(slices)[i] for i in random.permutation(len(slices))]
    images = np.stack([np.asarray(Image.open(io.BytesIO(slices[key]))) for key in keys])
    labels = np.array([list(PEOPLE).index(key[0]) for key in keys])
    for given in (labels, None):
        groups = persons_from_pixels(images, given)
        assert same_people(groups, [key[:2] for key in keys])
        assert groups[0] == 0 and (np.diff(pd.unique(groups)) == 1).all()
    turned = (labels + 1) % 2
    groups = persons_from_pixels(images, turned)
    assert (pd.DataFrame({"g": groups, "y": turned}).groupby("g").y.nunique() == 1).all()


def test_blocks_give_the_same_links():
    vectors = alzheimer.pixel_vectors(np.concatenate([draw(person) for person in range(3)]), fine=True)
    whole, blocks = (alzheimer._links(vectors, block) for block in (1024, 7))
    for one, other in zip(whole, blocks, strict=True):
        assert np.allclose(np.sort(one), np.sort(other), atol=1e-5)


def test_blank_images_have_no_person(tmp_path):
    "Black pictures: no crash, and nobody with more than 32 images."
    groups = persons_from_pixels(np.zeros((70, 20, 30), np.uint8))
    assert np.bincount(groups).max() <= SLICES
    assert np.isfinite(alzheimer.pixel_vectors(np.full((2, 9, 9), 255, np.uint8), fine=True)).all()


def test_half_is_enough_to_believe():
    place = np.tile(np.arange(1, 33), 4)
    table = pd.DataFrame({"label": 0, "person": np.repeat([1, 2, 3, 4], 32), "slice": place})
    groups = table.person.to_numpy().copy()
    groups[64] = 4
    assert who_is_who(table, groups).numbered  # two of four agree
    assert who_is_who(table, groups).certain.sum() == 64
    groups[0] = 2
    assert not who_is_who(table, groups).numbered


# --- link tests


def test_link_tests(sound):
    cohort = load(sound, size=64)
    tests = link_tests(cohort)
    assert len(tests) == 17 * 62 and (tests.margin > 0).all()
    assert (abs(tests["slice"] - tests.other_slice) == 1).all() and (
        tests.subject != tests.other_subject
    ).all()
    assert tests.row.dtype.kind == tests["slice"].dtype.kind == "i"
    row = tests.iloc[100]
    images = cohort.images.reshape(len(cohort), -1).astype(float)
    next_slice = (cohort.subjects == row.subject) & (cohort.table["slice"] == row.other_slice)
    assert np.isclose(np.corrcoef(images[int(row.row)], images[next_slice][0])[0, 1], row.own, atol=1e-4)
    other = (cohort.subjects == row.other_subject) & (cohort.table["slice"] == row.other_slice)
    assert np.isclose(np.corrcoef(images[int(row.row)], images[other][0])[0, 1], row.best_other, atol=1e-4)


def test_link_tests_need_somebody_else(sound):
    cohort = load(sound, size=64)
    assert len(link_tests(cohort[cohort.subjects == "non-002"])) == 0
    two = cohort[np.isin(cohort.subjects, ["non-002", "mild-001"]) & (cohort.table["slice"] != 7).to_numpy()]
    assert len(link_tests(two)) == 2 * (62 - 4)
    with pytest.raises(InputError, match="no two neighbouring slices"):
        link_tests(cohort[(cohort.table["slice"] % 2 == 0).to_numpy()])
    with pytest.raises(InputError, match="no column slice"):
        link_tests(type(cohort)(cohort.table.drop(columns="slice"), CLASSES, cohort.images))


# --- parquet


def write_parquet(file, rows, names=HUB_CLASSES, **columns):
    "Rows of (content, label) as Hugging Face writes them; `names` None leaves the metadata out."
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    content, labels = zip(*rows, strict=True) if rows else ((), ())
    image = pyarrow.array(
        [{"bytes": c, "path": None} for c in content],
        pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())]),
    )
    table = pyarrow.table({columns.get("image", "image"): image, columns.get("label", "label"): list(labels)})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, file)
    return file


def dealt(slices, names=HUB_CLASSES):
    "All slices in random order, as rows of (content, label)."
    keys = [list(slices)[i] for i in np.random.default_rng(0).permutation(len(slices))]
    return keys, [(slices[key], names.index(key[0])) for key in keys]


def test_parquet(tmp_path, slices):
    keys, rows = dealt(slices)
    write_parquet(tmp_path / "data" / "train-00000-of-00001-c0.parquet", rows[:435])
    write_parquet(tmp_path / "data" / "test-00000-of-00001-44.parquet", rows[435:])
    cohort = load(tmp_path, size=64)
    keys = keys[435:] + keys[:435]  # files in the order of their names
    assert [STEMS[key[0]] for key in keys] == [
        ("non", "verymild", "mild", "moderate")[y] for y in cohort.labels
    ]
    assert same_people(cohort.subjects, [key[:2] for key in keys])
    assert "slice" not in cohort.table and not cohort.table.certain.any()
    assert (cohort.table.part == "test").sum() == 544 - 435
    assert cohort.table.file[3].endswith("test-00000-of-00001-44.parquet#3")
    assert "17 of them with all 32 slices, found from the pixels alone" in cohort.notes[-1]
    assert np.array_equal(load(tmp_path / "data", size=64).images, cohort.images)
    findings = verify(tmp_path)
    said = " ".join(findings.found)
    assert "labels: " + ", ".join(HUB_CLASSES) in said
    assert "leaky: 17 of the 17 persons in the test part" in said


def test_one_parquet_file_and_other_orders(tmp_path, slices):
    keys, rows = dealt(slices, names=list(PEOPLE))
    file = write_parquet(tmp_path / "all.parquet", rows, names=list(PEOPLE))
    cohort = load(file, size=16)
    assert cohort.labels.tolist() == [list(PEOPLE).index(key[0]) for key in keys]
    assert "part" not in cohort.table
    by_name = write_parquet(tmp_path / "named.parquet", [(c, list(PEOPLE)[y]) for c, y in rows], names=None)
    assert load(by_name, size=16).labels.tolist() == cohort.labels.tolist()


@pytest.mark.parametrize(
    ("options", "label", "said"),
    [
        ({"names": ("Mild", "Non", "Very_Mild")}, 0, r"3 classes \(Mild, Non, Very_Mild\)"),
        ({"names": ("Mild", "Mild", "Non", "Moderate")}, 0, "4 classes"),
        ({"names": ("CN", "MCI", "LMCI", "AD")}, 0, r"4 classes \(CN, MCI, LMCI, AD\)"),
        ({"names": None}, 0, "labels without names"),
        ({}, 4, "found the label 4"),
        ({}, -1, "found the label -1"),
        ({"names": None}, "Healthy", "found the label 'Healthy'"),
        ({"image": "pixels"}, 0, r"columns pixels \(struct.*\), label \(int64\)"),
        ({"label": "stage"}, 0, r"columns image \(struct.*\), stage \(int64\)"),
    ],
)
def test_other_tables_are_refused(tmp_path, slices, options, label, said):
    file = write_parquet(tmp_path / "train.parquet", [(slices["Non_Demented", 1, 1], label)], **options)
    with pytest.raises(InputError, match=said) as caught:
        load(tmp_path)
    assert caught.value.where == str(file) and "revision daac24f" in caught.value.remedy
    assert verify(tmp_path).level.tolist() == ["error", "warning"]


def test_broken_parquet_costs_no_other(tmp_path, slices):
    _, rows = dealt(slices)
    whole = write_parquet(tmp_path / "train-1.parquet", rows)
    broken = tmp_path / "train-2.parquet"
    broken.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"train-2.parquet: found no parquet file"):
        load(tmp_path)
    cohort = load(tmp_path, size=16, skip_broken=True)
    assert len(cohort) == 544 and "train-2.parquet" in cohort.notes[0]
    broken.unlink()
    write_parquet(tmp_path / "train-2.parquet", [(None, 0), (b"text", 1), (packed(draw(5)[3])[:99], 2)])
    with pytest.raises(InputError, match="3 of 547 pictures broken") as caught:
        load(tmp_path)
    assert "train-2.parquet#0: no picture" in caught.value.found
    assert (verify(tmp_path).level == "error").sum() == 3


def test_empty_parquet(tmp_path):
    write_parquet(tmp_path / "train.parquet", [])
    with pytest.raises(InputError, match="found no picture"):
        load(tmp_path)


def test_without_pyarrow(tmp_path, slices, monkeypatch):
    (tmp_path / "train.parquet").write_bytes(b"PAR1")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r'pip install "cardioteach\[parquet\]"'):
        load(tmp_path)


# --- folders that cannot be used


def test_other_folders(folder, tmp_path, slices):
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="found an empty folder"):
        load(tmp_path / "empty")
    with pytest.raises(InputError, match="found mild.jpg, mild_10.jpg"):
        load(folder / "Mild_Demented")
    with pytest.raises(InputError, match="found mild.jpg; expected folders"):
        load(folder / "Mild_Demented" / "mild.jpg")
    write_parts(tmp_path / "Alzheimer_s Dataset", slices)
    with pytest.raises(InputError, match="two layouts: numbered in .*Dataset and parts in") as caught:
        load(tmp_path)
    assert caught.value.remedy == "Name one of them."


def test_missing_classes(folder):
    for file in (folder / "Moderate_Demented").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="Moderate_Demented: found no picture"):
        load(folder)
    (folder / "Moderate_Demented").rmdir()
    with pytest.raises(InputError, match="no folder Moderate_Demented; expected folders of all four classes"):
        load(folder)


@pytest.mark.parametrize("size", [4, 2.5, True, "128", 5000])
def test_sizes_that_cannot_be(sound, size):
    with pytest.raises(InputError, match="a whole number from 8 to 1024"):
        load(sound, size=size)


# --- files that cannot be used

BROKEN = {
    "empty": "an empty file",
    "text": "no picture",
    "truncated": "a truncated or corrupt picture",
    "colour": "a colour picture",
    "folder": "a folder among the pictures",
    "dangling": "no such file",
}


def write_broken(path, kind):
    path.unlink()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    if kind == "folder":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to(path.with_name("nothing"))
    else:
        whole = packed(noise, "JPEG", "RGB")
        path.write_bytes(
            {"empty": b"", "text": b"mild", "truncated": whole[: len(whole) // 2], "colour": whole}[kind]
        )


def test_a_broken_file_is_named(folder):
    path = folder / "Mild_Demented" / "mild_5.jpg"
    write_broken(path, "truncated")
    for _ in range(2):  # read, then from the cache
        with pytest.raises(InputError, match=BROKEN["truncated"]) as caught:
            load(folder, size=16)
        assert caught.value.where == str(path) and "skip_broken=True" in caught.value.remedy


def test_broken_files_cost_no_other(folder, sound):
    before = load(sound, size=16)
    paths = [folder / "Mild_Demented" / f"mild_{k}.jpg" for k in range(5, 5 + len(BROKEN))]
    for path, kind in zip(paths, BROKEN, strict=True):
        write_broken(path, kind)
    cohort = load(folder, size=16, skip_broken=True)
    kept = ~before.table.file.map(lambda file: file.rpartition("/")[2]).isin([path.name for path in paths])
    assert np.array_equal(cohort.images, before.images[kept])
    assert cohort.subjects.tolist() == before.subjects[kept].tolist() and cohort.table.certain.all()
    findings = verify(folder)
    for path, said, note in zip(paths, BROKEN.values(), cohort.notes, strict=False):
        assert note.startswith(f"a file was left out. {path}: found {said}")
        assert findings.found[findings["where"] == str(path)].str.startswith(said).tolist() == [True]
    assert findings.level.value_counts()["error"] == len(BROKEN)
    assert "file numbers without a gap" in findings.found.tolist()


def test_many_broken_files_are_one_error(folder):
    for k in range(2, 8):
        (folder / "Mild_Demented" / f"mild_{k}.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="6 of 544 pictures broken .*mild_2.jpg: an empty file.*and 3 more"):
        load(folder)
    for file in (folder / "Mild_Demented").iterdir():
        file.write_bytes(b"")
    with pytest.raises(InputError, match="64 of 544 pictures broken"):
        load(folder, skip_broken=True)  # a class would be empty
    for file in folder.glob("*/*"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match="544 of 544 pictures broken"):
        load(folder, skip_broken=True)
    assert verify(folder).level.tolist() == ["error"] * 544 + ["warning"]


def test_copies_and_counts_in_verify(folder):
    (folder / "Mild_Demented" / "mild_2.jpg").write_bytes(
        (folder / "Mild_Demented" / "mild_3.jpg").read_bytes()
    )
    findings = verify(folder)
    assert "exact copies of other pictures: 1" in findings.found[findings.level == "warning"].tolist()
    counts = findings[findings.expected.str.startswith("3200 non")]
    assert counts.level.tolist() == ["warning"]
    assert counts.found.iloc[0] == "352 non, 64 very mild, 64 mild, 64 moderate"


# --- cache


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CARDIOTEACH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "alzheimer"


def test_a_second_load_reads_no_picture(sound, cache, monkeypatch):
    first = load(sound, size=32)
    monkeypatch.setattr(alzheimer, "_read_all", None)
    second = load(sound, size=32)
    assert np.array_equal(first.images, second.images) and first.notes == second.notes
    pd.testing.assert_frame_equal(first.table, second.table)
    assert len(list(cache.glob("*.npz"))) == 1 and not list(cache.glob("*partial*"))
    with pytest.raises(TypeError):
        load(sound, size=16)


def test_a_changed_file_is_read_again(folder, cache):
    first = load(folder, size=64)
    file = folder / "Mild_Demented" / "mild_5.jpg"
    file.write_bytes((folder / "Mild_Demented" / "mild_6.jpg").read_bytes())
    changed = load(folder, size=64).images != first.images
    assert changed.any(axis=(1, 2)).sum() == 1
    file.unlink()
    assert len(load(folder, size=64)) == len(first) - 1


@pytest.mark.parametrize("damage", ["cut", "bit", "text", "other"])
def test_a_damaged_entry_is_made_anew(sound, cache, damage):
    first = load(sound, size=32)
    entry = next(cache.glob("*.npz"))
    content = bytearray(entry.read_bytes())
    if damage == "other":
        np.savez(entry, images=first.images)
    else:
        content[20_000] ^= 1
        entry.write_bytes({"cut": content[:50_000], "bit": content, "text": b"nothing"}[damage])
    with pytest.warns(UserWarning, match="is damaged: what it held is computed again"):
        again = load(sound, size=32)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(load(sound, size=32).images, first.images)


def test_no_place_for_the_cache(sound, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CARDIOTEACH_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="not kept for the next time"):
        assert len(load(sound, size=16)) == 544


def test_a_full_disk_costs_the_entry_only(sound, cache, monkeypatch):
    def full(file, **arrays):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert len(load(sound, size=16)) == 544
    assert not list(cache.glob("*.npz"))
