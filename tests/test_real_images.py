"The readers of single files on real ones: Sunnybrook's DICOM, and the pictures of the brain, Alzheimer and chest sets."

import os
from pathlib import Path

import numpy as np
import pytest

from cardioteach.cohort import InputError
from cardioteach.images import read_dicom, read_picture, read_series

pytestmark = pytest.mark.slow
DATA = os.environ.get("CARDIOTEACH_DATA")


def files(folder, *endings):
    if not DATA or not Path(DATA, folder).is_dir():
        pytest.skip(f"CARDIOTEACH_DATA names no folder with {folder}")
    found = sorted(path for path in Path(DATA, folder).rglob("*") if path.suffix.lower() in endings)
    assert found
    return found


def test_sunnybrook_slices():
    images = [read_dicom(path) for path in files("sunnybrook/dicoms", ".dcm")]
    assert {image.modality for image in images} == {"MR"}
    for image in images:
        assert image.pixels.ndim == 2 and image.pixels.max() > 100
        assert all(0.5 < distance < 3 for distance in image.spacing_mm)
        low, high = image.window
        assert low < np.percentile(image.pixels, 90) < high


def test_a_folder_with_several_moments_is_no_volume():
    "Sunnybrook keeps all moments of the beat in one folder: the same place comes twenty times."
    folder = files("sunnybrook/dicoms", ".dcm")[0].parent
    with pytest.raises(InputError, match="distances between slices 0,"):
        read_series(folder)


@pytest.mark.parametrize("folder", ["brain_tumor", "alzheimer_mri", "chest_xray"])
def test_no_real_picture_is_taken_for_a_photograph(folder):
    "Tinted films, JPEG colours and coloured marks included."
    for path in files(folder, ".jpg", ".jpeg", ".png"):
        image = read_picture(path)
        assert image.pixels.ndim == 2 and image.pixels.dtype == np.uint8 and np.ptp(image.pixels) > 50


@pytest.mark.parametrize("name", ["astronaut", "cat", "coffee", "rocket"])
def test_photographs_are_refused(name, tmp_path):
    from PIL import Image
    from skimage import data

    try:
        picture = getattr(data, name)()
    except Exception as problem:  # some come by download
        pytest.skip(f"scikit-image does not have {name} here: {type(problem).__name__}")
    Image.fromarray(picture).save(tmp_path / "photograph.jpg")
    with pytest.raises(InputError, match="a colour picture"):
        read_picture(tmp_path / "photograph.jpg")
