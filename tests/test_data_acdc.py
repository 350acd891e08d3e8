"Damaged ACDC folders: each mistake gets one error that names the file, and costs no other patient."

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cardioteach.cohort import InputError
from cardioteach.data.acdc import (
    CLASSES,
    MASK_CLASSES,
    Box,
    bounding_square,
    contours,
    grey_window,
    load,
    motion_square,
    patient_folders,
    read_info,
    read_subject,
    temporal_change,
    verify,
)
from cardioteach.images import read_nifti, resize

SPACING = (1.5, 1.5, 10.0)


def write(path, voxels, spacing=SPACING):
    image = nibabel.Nifti1Image(voxels.T, np.diag([-1, -1, 1, 1]))
    image.header.set_zooms((*spacing, 1, 1)[: voxels.ndim])
    nibabel.save(image, path)


def make_patient(folder, number, group, frames=6, slices=4, rows=60, columns=70):
    "A bright disc in a dark ring that shrinks and grows; end-diastole is frame 2, end-systole frame 5."
    patient = folder / f"patient{number:03d}"
    patient.mkdir(parents=True)
    lines = ["ED: 2", "ES: 5", f"Group: {group}", "Height: 181.5", f"NbFrame: {frames}", "Weight: 75.0", ""]
    (patient / "Info.cfg").write_text("\n".join(lines))
    phase = np.cos(2 * np.pi * (np.arange(frames) - 1) / frames)[:, None, None, None]
    r, c = np.mgrid[:rows, :columns]
    distance = np.hypot(r - 28, c - 33) + np.arange(slices)[:, None, None]
    masks = np.where(distance < 8 + 2 * phase, 3, np.where(distance < 12 + phase, 2, 0)).astype(np.uint8)
    masks[:, 0] = 0  # the first slice lies outside the heart
    noise = np.random.default_rng(number).integers(0, 30, masks.shape)
    voxels = (np.array([60, 0, 30, 200])[masks] + noise).astype(np.int16)
    write(patient / f"{patient.name}_4d.nii.gz", voxels)
    for frame in (2, 5):
        write(patient / f"{patient.name}_frame{frame:02d}.nii.gz", voxels[frame - 1])
        write(patient / f"{patient.name}_frame{frame:02d}_gt.nii.gz", masks[frame - 1])


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("acdc") / "training"
    for number, group in enumerate(CLASSES, 1):
        make_patient(folder, number, group)
    return folder


@pytest.fixture
def training(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "training")


# --- what a sound folder gives


def test_table_has_all_that_is_known(training):
    cohort = load(training, size=32)
    row = cohort.table.iloc[0]
    expected = {
        "subject": "patient001",
        "label": 0,
        "folder": "patient001",
        "phase": "ED",
        "frame": 2,
        "slice": 1,
        "position_mm": 10.0,
        "row_spacing_mm": 1.5,
        "column_spacing_mm": 1.5,
        "slice_spacing_mm": 10.0,
        "native_rows": 60,
        "native_columns": 70,
        "n_slices": 4,
        "n_frames": 6,
        "height_cm": 181.5,
        "weight_kg": 75.0,
        "file": str(training / "patient001" / "patient001_frame02.nii.gz"),
    }
    assert {name: row[name] for name in expected} == expected
    assert set(cohort.table.columns) == set(expected) | {"box_row", "box_column", "box_side", "content_hash"}
    assert cohort.images.shape == cohort.masks.shape == (30, 32, 32)
    assert cohort.images.dtype == cohort.masks.dtype == np.uint8
    assert (cohort.classes, cohort.mask_classes, cohort.notes) == (CLASSES, MASK_CLASSES, ())


def test_every_frame_and_the_two_phases_give_the_same_pixels(training):
    every, two = load(training, frames="all", size=32), load(training, size=32)
    assert len(every) == 5 * 6 * 3 and every.masks is None
    assert np.array_equal(every.images[every.table.phase != ""], two.images)
    assert (every.table.groupby("subject").frame.nunique() == 6).all()


def test_two_phases_need_no_4d_file(training):
    with_4d = load(training, size=32)
    for path in training.glob("*/*_4d.nii.gz"):
        path.unlink()
    assert np.array_equal(load(training, size=32).images, with_4d.images)


@pytest.mark.parametrize("above", ["training", "database/training"])
def test_a_folder_above_is_understood(pristine, tmp_path, above):
    shutil.copytree(pristine, tmp_path / above)
    assert [path.name for path in patient_folders(tmp_path)] == [f"patient{n:03d}" for n in range(1, 6)]


def test_a_box_per_slice_follows_each_slice(training):
    by_slice, by_subject = load(training, box_per="slice"), load(training)
    assert len(by_slice) == len(by_subject) == 30
    assert by_subject.table.groupby("subject").box_side.nunique().eq(1).all()
    assert by_slice.table.groupby("subject").box_side.nunique().gt(1).all()
    assert (by_slice.table.box_side <= by_subject.table.box_side).all()


def test_motion_needs_no_masks(training):
    for path in training.glob("patient00[1-4]/*_gt.nii.gz"):
        path.unlink()
    cohort = load(training, roi="motion", size=32)
    assert len(cohort) == 5 * 2 * 4 and cohort.masks is None
    assert "no masks: some patients have none" in cohort.notes
    with pytest.raises(InputError, match="_gt.nii.gz"):
        load(training)


def test_motion_keeps_masks_that_are_there(training):
    cohort = load(training, roi="motion", size=32)
    assert cohort.masks.shape == (40, 32, 32)
    assert not cohort.masks[cohort.table.slice == 0].any()


def test_motion_box_does_not_depend_on_masks(training):
    before = load(training, roi="motion").table.box_row
    for path in training.glob("*/*_gt.nii.gz"):
        write(path, np.ones_like(read_nifti(path).voxels))
    assert before.equals(load(training, roi="motion").table.box_row)


def test_twins_become_one_subject(training):
    for path in (training / "patient003").glob("*frame0?.nii.gz"):
        shutil.copy(path, training / "patient002" / path.name.replace("003", "002"))
    cohort = load(training, size=32)
    assert cohort.notes == ("patient002 and patient003 share an identical image: one subject from here on",)
    assert cohort.table.subject.nunique() == 4 and cohort.table.folder.nunique() == 5


def test_a_missing_class_is_said(training):
    shutil.rmtree(training / "patient005")
    assert load(training).notes == ("no subject of class RV",)


def test_phantoms_are_called_phantoms(training):
    (training / "SYNTHETIC.txt").write_text("made up")
    assert load(training).notes == ("generated phantoms, not patients",)
    findings = verify(training.parent)
    assert set(findings.level) == {"ok"} and findings.found[0] == "5 generated phantoms"


# --- what a folder must hold


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_a_folder_that_is_not_acdc(tmp_path, name):
    for function in (load, verify):
        with pytest.raises(InputError, match="expected ACDC folders such as training/patient001"):
            function(tmp_path / name)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("frames", "both", "'ed_es' or 'all'"),
        ("roi", "expert", "'oracle' or 'motion'"),
        ("box_per", "image", "'subject' or 'slice'"),
        ("size", 3, "a whole number from 8 to 1024"),
        ("size", "128", "a whole number from 8 to 1024"),
    ],
)
def test_options_that_do_not_exist(training, option, value, message):
    with pytest.raises(InputError, match=message) as caught:
        load(training, **{option: value})
    assert caught.value.where == option


def edit_info(old, new):
    def damage(patient):
        path = patient / "Info.cfg"
        path.write_text(path.read_text().replace(old, new))

    return damage


def change(kind, edit, spacing=SPACING):
    "Damage by a change of the voxels of one file."

    def damage(patient):
        path = patient / f"{patient.name}_{kind}.nii.gz"
        write(path, edit(read_nifti(path).voxels.copy()), spacing)

    return damage


def put(kind, content):
    "Damage by other bytes in a file, made from the old ones."
    return lambda patient: (path := patient / f"{patient.name}_{kind}.nii.gz").write_bytes(
        content(path.read_bytes())
    )


def with_value(value):
    def edit(voxels):
        voxels = voxels.astype(np.float32)
        voxels[1, 2, 3] = value
        return voxels

    return edit


def corrupted(content):
    middle = len(content) // 2
    return (
        content[:middle]
        + bytes(255 - byte for byte in content[middle : middle + 64])
        + content[middle + 64 :]
    )


def cut_inside(content):
    "A file that unpacks, but ends before its last voxel."
    return gzip.compress(gzip.decompress(content)[:-1000])


def header_of_nothing(content):
    "A NIfTI header that claims a type of voxel which does not exist."
    raw = bytearray(gzip.decompress(content))
    raw[70:72] = (9999).to_bytes(2, "little")
    return gzip.compress(bytes(raw))


DAMAGES = {
    "no Info.cfg": (lambda p: (p / "Info.cfg").unlink(), "Info.cfg", "no such file"),
    "binary Info.cfg": (lambda p: (p / "Info.cfg").write_bytes(b"\xff\xfe\x00"), "Info.cfg", "decode"),
    "no group": (edit_info("Group: HCM\n", ""), "Info.cfg", "no line 'Group'"),
    "unknown group": (edit_info("HCM", "XYZ"), "Info.cfg", "found XYZ"),
    "no ED": (edit_info("ED: 2\n", ""), "Info.cfg", "no line 'ED'"),
    "ED is no number": (edit_info("ED: 2", "ED: two"), "Info.cfg", "ED: two"),
    "ES beyond the beat": (edit_info("ES: 5", "ES: 9"), "Info.cfg", "ES 9"),
    "ES is ED": (edit_info("ES: 5", "ES: 2"), "Info.cfg", "ED 2, ES 2"),
    "absent frame": (edit_info("ES: 5", "ES: 4"), "frame04.nii.gz", "expected frame 4, named in Info.cfg"),
    "no mask": (lambda p: (p / f"{p.name}_frame05_gt.nii.gz").unlink(), "frame05_gt.nii.gz", "no such file"),
    "truncated": (put("frame05", lambda content: content[:2000]), "frame05.nii.gz", "truncated or corrupt"),
    "corrupt": (put("frame05", corrupted), "frame05.nii.gz", "truncated or corrupt"),
    "empty file": (put("frame05", lambda content: b""), "frame05.nii.gz", "NIfTI"),
    "not gzip": (put("frame05", lambda content: b"hello" * 100), "frame05.nii.gz", "Not a gzipped file"),
    "not NIfTI": (put("frame05", lambda content: gzip.compress(b"hello" * 100)), "frame05.nii.gz", "no NIfTI image"),
    "cut voxels": (put("frame05", cut_inside), "frame05.nii.gz", "no NIfTI image"),
    "unknown voxel type": (put("frame05", header_of_nothing), "frame05.nii.gz", "no NIfTI image"),
    "mask of another shape": (change("frame05_gt", lambda v: v[:, :-2]), "frame05_gt.nii.gz", "(4, 58, 70)"),
    "phases of other shapes": (change("frame05", lambda v: v[:-1]), "frame05.nii.gz", "(3, 60, 70)"),
    "label 4": (change("frame02_gt", lambda v: v + (v == 3).astype(np.uint8)), "frame02_gt.nii.gz", "labels from 0 to 4"),
    "half labels": (change("frame02_gt", lambda v: v * np.float32(0.5)), "frame02_gt.nii.gz", "labels from 0 to 1.5"),
    "empty mask": (change("frame02_gt", np.zeros_like), "frame02_gt.nii.gz", "an empty mask"),
    "NaN": (change("frame02", with_value(np.nan)), "frame02.nii.gz", "NaN or infinite"),
    "infinity": (change("frame02", with_value(np.inf)), "frame02.nii.gz", "NaN or infinite"),
    "constant": (change("frame02", lambda v: np.full_like(v, 7)), "frame02.nii.gz", "a constant image (7)"),
    "nearly constant": (change("frame02", lambda v: (v > v.max() - 1).astype(v.dtype)), "frame02.nii.gz", "constant"),
    "zero spacing": (change("frame02", lambda v: v, (0, 1.5, 10)), "frame02.nii.gz", "spacing 0 x 1.5 x 10 mm"),
    "absurd spacing": (change("frame02", lambda v: v, (1.5, 1.5, 900)), "frame02.nii.gz", "1.5 x 1.5 x 900 mm"),
    "2-D": (change("frame02", lambda v: v[0]), "frame02.nii.gz", "shape (70, 60)"),
    "4-D frame": (change("frame02", lambda v: v[None]), "frame02.nii.gz", "shape (70, 60, 4, 1)"),
    "5-D": (change("frame02", lambda v: v[None, None]), "frame02.nii.gz", "shape (70, 60, 4, 1, 1)"),
    "colour": (
        change("frame02", lambda v: v.astype(np.complex64)),
        "frame02.nii.gz",
        "values of type complex64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_patient_is_named_by_load_and_verify(training, damage):
    breaking, name, message = DAMAGES[damage]
    breaking(training / "patient002")
    with pytest.raises(InputError) as caught:
        load(training, size=16)
    assert caught.value.where.endswith(name) and "patient002" in caught.value.where
    assert message in str(caught.value)
    assert "skip_broken=True" in caught.value.remedy

    cohort = load(training, size=16, skip_broken=True)
    assert cohort.table.subject.nunique() == 4
    assert name in cohort.notes[0] and message in cohort.notes[0]
    assert cohort.notes[1] == "no subject of class HCM"

    errors = verify(training).query("level == 'error'")
    assert any(where.endswith(name) for where in errors["where"])
    assert errors["where"].str.contains("patient002").all()


def test_an_unreadable_file(training, monkeypatch):
    "Root may read every file, so the refusal is made up."
    read_bytes = Path.read_bytes

    def refuse(path):
        if path.name == "patient002_frame02.nii.gz":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match="patient002_frame02.nii.gz: found Permission denied.*permissions"):
        load(training)
    assert load(training, skip_broken=True).table.subject.nunique() == 4


def test_a_folder_in_place_of_a_file(training):
    path = training / "patient002" / "patient002_frame02.nii.gz"
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="expected a readable file"):
        load(training)


def test_all_broken_patients_in_one_error(training):
    for number in (1, 2, 3, 4):
        (training / f"patient00{number}" / "Info.cfg").unlink()
    with pytest.raises(InputError) as caught:
        load(training)
    text = str(caught.value)
    assert "4 of 5 patients broken" in text and "and 1 more" in text
    assert all(f"patient00{number}" in text for number in (1, 2, 3))
    cohort = load(training, skip_broken=True)
    assert cohort.table.folder.unique().tolist() == ["patient005"]
    assert len(cohort.notes) == 4 + 4


def test_nothing_left(training):
    for number in range(1, 6):
        (training / f"patient00{number}" / "Info.cfg").unlink()
    with pytest.raises(InputError, match="5 of 5 patients broken"):
        load(training, skip_broken=True)
    assert (verify(training).level == "error").sum() == 5


def test_all_frames_need_the_4d_file(training):
    (training / "patient003" / "patient003_4d.nii.gz").unlink()
    with pytest.raises(InputError, match="expected the whole beat of patient003") as caught:
        load(training, frames="all")
    assert "frames='ed_es'" in caught.value.remedy


def test_4d_file_with_another_number_of_frames(training):
    path = training / "patient003" / "patient003_4d.nii.gz"
    write(path, read_nifti(path, 4).voxels[:-1])
    with pytest.raises(InputError, match="found 5 frames; expected 6, as in Info.cfg"):
        load(training, frames="all")
    assert load(training).table.subject.nunique() == 5
    assert "5 frames" in verify(training).found[0]


def test_verify_compares_the_4d_file_with_the_frames(training):
    path = training / "patient003" / "patient003_4d.nii.gz"
    write(path, read_nifti(path, 4).voxels[::-1].copy())
    first = verify(training).iloc[0]
    assert (first.level, first.found) == ("error", "another frame 2")


def test_verify_of_a_sound_folder(training):
    findings = verify(training)
    assert findings.columns.tolist() == ["level", "where", "found", "expected", "remedy"]
    assert findings.level.tolist() == ["warning", "ok", "ok", "ok"]
    assert findings.found[0] == "5 patients"
    assert "40 slices at ED and ES, 30 with a mask" in findings.found.tolist()


def test_verify_compares_spacing_of_image_and_mask(training):
    change("frame02_gt", lambda v: v, (1.4, 1.5, 10))(training / "patient002")
    findings = verify(training)
    assert findings.level[0] == "warning" and "spacing" in findings.found[0]


def test_two_errors_of_one_patient_are_both_found(training):
    DAMAGES["NaN"][0](training / "patient002")
    DAMAGES["empty mask"][0](training / "patient002")
    assert (verify(training).level == "error").sum() == 2


# --- pieces


@pytest.mark.parametrize("kind", ["<i2", ">i2", "<u2", "<i4", "<f4", ">f4", "<f8", "u1"])
def test_voxel_types_do_not_change_an_image(training, kind):
    before = load(training, size=32)
    for path in training.glob("patient001/*_frame??.nii.gz"):
        voxels = read_nifti(path).voxels
        header = nibabel.Nifti1Header(endianness=kind[0] if kind[0] in "<>" else "<")
        header.set_data_dtype(np.dtype(kind))
        image = nibabel.Nifti1Image(voxels.T.astype(kind), np.diag([-1, -1, 1, 1]), header)
        image.header.set_zooms(SPACING)
        nibabel.save(image, path)
    assert np.array_equal(load(training, size=32).images, before.images)


@pytest.mark.parametrize(("slope", "intercept"), [(0.25, 0.0), (3.0, -1024.0), (0.1, 7.5)])
def test_scaled_files_do_not_change_an_image(training, slope, intercept):
    before = load(training, size=32).images.astype(int)
    for path in training.glob("*/*_frame??.nii.gz"):
        image = nibabel.Nifti1Image(read_nifti(path).voxels.T, np.diag([-1, -1, 1, 1]))
        image.header.set_zooms(SPACING)
        image.header.set_slope_inter(slope, intercept)
        nibabel.save(image, path)
    assert abs(load(training, size=32).images - before).max() <= 1


@settings(max_examples=60)
@given(arrays(np.int16, (3, 4, 5), elements=st.integers(-32768, 32767)))
def test_grey_window_is_numpys_percentile(volume):
    assert np.allclose(
        grey_window(volume), np.percentile(volume.astype(float), [1, 99])
    )  # as integers NumPy overflows


@settings(max_examples=60)
@given(arrays(np.uint8, (12, 17), elements=st.integers(0, 3)), st.floats(0.5, 3))
def test_the_square_holds_the_mask_and_stays_inside(mask, spacing):
    if not mask.any():
        return
    box = bounding_square(contours(mask), mask.shape, spacing)
    assert box.row >= 0 and box.column >= 0
    assert box.row + box.side <= 12 and box.column + box.side <= 17
    outside = np.count_nonzero(mask) - np.count_nonzero(box.crop(mask))
    rows, columns = np.nonzero(mask)
    fits = max(np.ptp(rows), np.ptp(columns)) + 1 <= 12
    assert outside == 0 or not fits


def test_the_square_keeps_its_margin():
    mask = np.zeros((100, 100))
    mask[40:60, 30:70] = 1
    assert bounding_square(contours(mask), mask.shape, 1.0) == Box(25, 25, 50)  # 10 mm on 40
    mask[20:80] = mask[45]
    mask[:, 20:80] = mask[:, 50:51]
    assert bounding_square(contours(mask), mask.shape, 1.0).side == 72  # 20 % of 60


def test_first_harmonic_of_a_cosine():
    time = np.arange(8)[:, None, None, None]
    frames = 100 + 10 * np.cos(2 * np.pi * time / 8 + 1) * np.ones((1, 2, 3, 3))
    assert np.allclose(temporal_change(frames), 10 * 8 / 2, rtol=1e-4)
    assert np.allclose(temporal_change(np.ones((8, 1, 2, 2))), 0, atol=1e-5)


def test_motion_square_finds_what_moves_in_either_kind(pristine):
    for frames in ("ed_es", "all"):
        subject = read_subject(pristine / "patient001", frames)
        box = motion_square(subject.frames, 1.5, side_mm=50)
        assert box.crop(subject.masks).sum() == subject.masks.sum()


def test_resize_keeps_mask_values_and_shrinks_without_moire():
    mask = np.zeros((1, 40, 40), np.uint8)
    mask[:, 10:30, 10:30] = 3
    assert set(np.unique(resize(mask, 17, is_mask=True))) == {0, 3}
    stripes = np.tile(np.array([[0, 255]], np.uint8), (1, 90, 45))
    assert np.ptp(resize(stripes, 30)[0, :, 3:-3].astype(int)) < 60


def test_info_with_windows_line_ends_and_spaces(training):
    path = training / "patient001" / "Info.cfg"
    path.write_bytes(path.read_text().replace("\n", " \r\n").encode())
    assert read_info(path.parent).group == "DCM"


def test_reading_needs_no_keras():
    code = (
        "import sys, cardioteach.data.acdc; sys.exit('keras' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
