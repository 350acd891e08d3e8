"Phantom hearts on disk: ACDC's layout to the letter, the same bytes for the same seed, nothing half written."

import json
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from cardioteach.cohort import InputError
from cardioteach.heart import GROUPS, indices, meets_criteria
from cardioteach.phantom import heart as phantom


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return phantom.make(tmp_path_factory.mktemp("phantom") / "tiny", size="tiny", processes=1)


def patients(folder):
    return sorted(folder.glob("patient*"))


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def info(patient):
    rows = (line.split(": ") for line in (patient / "Info.cfg").read_text().splitlines())
    return dict(rows)


def masks(patient):
    frames = (int(info(patient)[phase]) for phase in ("ED", "ES"))
    files = [nib.load(patient / f"{patient.name}_frame{frame:02d}_gt.nii.gz") for frame in frames]
    return [np.asarray(file.dataobj) for file in files], tuple(map(float, files[0].header.get_zooms()))


def test_names_and_groups(folder):
    assert [p.name for p in patients(folder)] == [f"patient{i:03d}" for i in range(1, 11)]
    assert [info(p)["Group"] for p in patients(folder)] == [g for g in GROUPS for _ in range(2)]
    assert "SYNTHETIC" in (folder / "SYNTHETIC.txt").read_text()
    assert json.loads((folder / "phantom.json").read_text())["version"] == phantom.PHANTOM_VERSION
    for patient in patients(folder):
        assert list(info(patient)) == ["ED", "ES", "Group", "Height", "NbFrame", "Weight"]
        assert re.fullmatch(r"\d+\.\d", info(patient)["Height"])
        frames = [f"{patient.name}_frame{int(info(patient)[p]):02d}" for p in ("ED", "ES")]
        images = {f"{name}{end}.nii.gz" for name in frames for end in ("", "_gt")}
        assert {p.name for p in patient.iterdir()} == images | {
            "Info.cfg",
            "truth.json",
            f"{patient.name}_4d.nii.gz",
        }


def test_images_and_headers(folder):
    for patient in patients(folder):
        whole = nib.load(patient / f"{patient.name}_4d.nii.gz")
        assert whole.ndim == 4 and whole.shape[3] == int(info(patient)["NbFrame"])
        assert whole.get_data_dtype() == np.int16 and np.asarray(whole.dataobj).min() >= 0
        assert whole.header["qform_code"] == 0 and whole.header["sform_code"] == 2
        for phase in ("ED", "ES"):
            frame = int(info(patient)[phase])
            image = nib.load(patient / f"{patient.name}_frame{frame:02d}.nii.gz")
            assert np.array_equal(np.asarray(image.dataobj), np.asarray(whole.dataobj)[..., frame - 1])
            assert image.header.get_zooms() == whole.header.get_zooms()[:3]


def test_truth_is_what_the_masks_say(folder):
    for patient in patients(folder):
        (full, emptied), spacing = masks(patient)
        assert set(np.unique(full)) == {0, 1, 2, 3} and set(np.unique(emptied)) <= {0, 1, 2, 3}
        height, weight = (float(info(patient)[key]) for key in ("Height", "Weight"))
        found = indices(full, emptied, spacing, height, weight)
        truth = json.loads((patient / "truth.json").read_text())
        assert found == pytest.approx(truth["measured"], rel=1e-4, nan_ok=True)
        assert found["lv_esv_ml"] < found["lv_edv_ml"]


def test_right_ventricle_lies_left_or_above_on_the_screen(folder):
    for patient in patients(folder):
        (full, _), _ = masks(patient)
        left, right = (np.argwhere(full == label).mean(0) for label in (3, 1))
        assert right[0] < left[0] or right[1] < left[1]


def test_volumes_follow_the_drawn_ones_and_the_wall_is_kept():
    for group in GROUPS:
        for rank in range(3):
            scan, found = phantom.scan_person(group, rank, size="small")
            person = scan.person
            assert found["ejection_fraction"] == pytest.approx(person.ejection_fraction, abs=9)
            assert found["lv_edv_ml"] == pytest.approx(person.lv_edv, rel=0.12)
            wall = [
                np.count_nonzero(phantom.cut_mask(scan, f) == 2)
                for f in (scan.end_diastole, scan.end_systole)
            ]
            assert 0.8 < wall[1] / wall[0] < 1.45
            volumes = [np.count_nonzero(phantom.cut_mask(scan, f) == 3) for f in range(scan.protocol.frames)]
            assert np.argmin(volumes) == pytest.approx(scan.end_systole, abs=3)


def test_same_seed_same_bytes_whatever_the_processes(folder, tmp_path):
    again = phantom.make(tmp_path / "again", size="tiny", processes=2)
    assert contents(again) == contents(folder)


def test_other_seed_other_hearts_and_persons_do_not_depend_on_n(folder, tmp_path):
    other = phantom.make(tmp_path / "other", n=5, size="tiny", seed=1, processes=1)
    fewer = phantom.make(tmp_path / "fewer", n=5, size="tiny", processes=1)
    first = [json.loads((f / "patient001" / "truth.json").read_text()) for f in (folder, other, fewer)]
    assert first[0] != first[1] and first[0] == first[2]
    image = [np.asarray(nib.load(f / "patient001" / "patient001_4d.nii.gz").dataobj) for f in (folder, fewer)]
    assert np.array_equal(*image)


def test_reused_and_completed(folder, tmp_path, capsys):
    copy = phantom.make(tmp_path / "copy", n=5, size="tiny", processes=1)
    before = contents(copy)
    for path in (copy / "patient003").iterdir():
        path.unlink()
    (copy / "patient003").rmdir()
    phantom.make(copy, n=5, size="tiny", processes=1)
    assert contents(copy) == before
    phantom.make(copy, n=5, size="tiny", processes=1)
    assert "already holds this phantom" in capsys.readouterr().out


def test_nothing_half_written(tmp_path, monkeypatch):
    scan, found = phantom.scan_person("NOR", 0, size="tiny")
    calls = []

    def fail_late(path, array, spacing_mm):
        calls.append(path)
        path.write_bytes(b"half")
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(phantom, "_save", fail_late)
    with pytest.raises(KeyboardInterrupt):
        phantom.write_patient(tmp_path / "patient001", scan, found, planes=1)
    assert len(calls) == 2 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments, message",
    [({"n": 7}, "multiple of 5"), ({"n": 0}, "multiple of 5"), ({"size": "big"}, "one of tiny"),
     ({"mode": "real"}, "one of realistic"), ({"seed": -1}, "0 or more")],
)  # fmt: skip
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        phantom.make(tmp_path / "new", **{"size": "tiny"} | arguments)
    assert not (tmp_path / "new").exists()


def test_other_folders_are_left_alone(folder, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="no phantom"):
        phantom.make(tmp_path, size="tiny")
    with pytest.raises(InputError, match="another phantom"):
        phantom.make(folder, size="tiny", mode="criteria")
    with pytest.raises(InputError, match="thesis"):
        phantom.make(tmp_path / "thesis.txt", size="tiny")
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_criteria_mode_meets_the_criteria(tmp_path):
    clean = phantom.make(tmp_path / "clean", size="tiny", mode="criteria", processes=2)
    table = phantom.compliance(clean)
    assert all(table.loc[group, f"meets {group}"] == 2 for group in GROUPS)


@pytest.fixture(scope="module")
def acdc():
    root = os.environ.get("CARDIOTEACH_DATA")
    real = Path(root or "") / "acdc" / "training"
    if not root or not real.is_dir():
        pytest.skip("CARDIOTEACH_DATA is not set to a folder with acdc/training")
    return sorted(real.glob("patient*"))


@pytest.mark.slow
def test_targets_are_those_of_the_real_masks(acdc):
    rows = []
    for patient in acdc:
        both, spacing = masks(patient)
        about = info(patient)
        found = indices(*both, spacing, float(about["Height"]), float(about["Weight"]))
        rules = {group: meets_criteria(found, group) for group in GROUPS}
        rows.append({"group": about["Group"], **found, **{f"meets {g}": r for g, r in rules.items()}})
    table = pd.DataFrame(rows).groupby("group")
    for group, values in phantom.GROUP_VALUES["realistic"].items():
        for quantity, (mean, spread) in list(zip(phantom.QUANTITIES, values, strict=True))[:5]:
            real = table.get_group(group)[quantity]
            assert mean == pytest.approx(real.mean(), abs=1.0) and spread == pytest.approx(
                real.std(), rel=0.2
            )
    met = {group: int(table.get_group(group)[f"meets {group}"].sum()) for group in GROUPS}
    assert met == {"DCM": 19, "HCM": 3, "MINF": 17, "NOR": 19, "RV": 18}
    assert table.get_group("DCM")["meets RV"].sum() == 14


@pytest.mark.slow
def test_looks_are_set_against_the_real_images(acdc):
    rows = []
    for patient in acdc:
        (full, _), spacing = masks(patient)
        image = nib.load(patient / f"{patient.name}_frame{int(info(patient)['ED']):02d}.nii.gz")
        rows.append(phantom.measure_look(np.asarray(image.dataobj).astype(float), full, spacing))
    real = pd.DataFrame(rows).agg(["mean", "std"])
    wanted = {
        "myocardium / blood": (0.44, 0.10),
        "right / left blood": (0.85, 0.10),
        "unevenness of blood": (0.28, 0.07),
    }
    for name, values in wanted.items():
        assert real[name].to_list() == pytest.approx(values, abs=0.01)
