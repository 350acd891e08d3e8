"Damaged brain-tumour folders and pictures: each mistake gets one error that names the file, and costs no other picture."

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cardioteach.cli import main
from cardioteach.cohort import InputError
from cardioteach.data.brain_tumor import CLASSES, class_folders, load, picture_files, verify
from cardioteach.duplicates import find, near_pairs, threshold_curve
from cardioteach.images import PIXEL_LIMIT, read_picture


def head(number, rows=90, columns=80):
    "A disc with a texture of its own, (rows, columns) uint8."
    r, c = np.mgrid[:rows, :columns]
    coarse = np.random.default_rng(number).uniform(60, 250, (9, 8)).astype(np.uint8)
    texture = np.asarray(Image.fromarray(coarse).resize((columns, rows), Image.Resampling.BICUBIC))
    inside = np.hypot((r - rows / 2) / rows, (c - columns / 2) / columns) < 0.45
    return np.where(inside, texture, 0).astype(np.uint8)


def save(path, pixels, mode="L", **options):
    "Write pixels as a picture file; its parents are made."
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    for number in range(6):
        save(tmp_path / "set" / CLASSES[number % 2] / f"{number}.png", head(number))
    return tmp_path / "set"


def png_header(columns, rows):
    "The first bytes of a PNG that says it is of this size, and has no pixels."

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 10))


# --- what a sound folder gives


def test_table_has_all_that_is_known(folder):
    cohort = load(folder, size=32)
    assert cohort.classes == ("no", "yes") and cohort.subject_source == "inferred"
    assert cohort.images.shape == (6, 32, 32) and cohort.images.dtype == np.uint8
    row = cohort.table.iloc[0]
    expected = {"subject": "no/0.png", "label": 0, "file": str(folder / "no" / "0.png"), "native_rows": 90}
    expected |= {"native_columns": 80, "format": "PNG", "mode": "L"}
    assert {name: row[name] for name in expected} == expected
    assert set(cohort.table.columns) == set(expected) | {"content_hash"}


def test_all_modes_give_the_same_picture(tmp_path):
    "Grey, colour, transparent, palette, printer's colours: one picture, one subject."
    same = head(1)
    for mode in ("L", "RGB", "RGBA", "LA", "P"):
        save(tmp_path / "yes" / f"{mode}.png", same, mode)
    save(tmp_path / "yes" / "grey.jpg", same, quality=95)
    save(tmp_path / "yes" / "colour.jpg", same, "RGB", quality=95)
    save(tmp_path / "yes" / "print.jpg", same, "CMYK", quality=95)
    Image.fromarray(same.astype(np.uint16) * 256).save(tmp_path / "yes" / "deep.png")
    save(tmp_path / "yes" / "page.tif", same)
    save(tmp_path / "no" / "other.bmp", head(2))
    cohort = load(tmp_path, size=64)
    assert set(cohort.table["mode"]) >= {"L", "RGB", "RGBA", "LA", "P", "CMYK"}
    assert cohort.table.subject.unique().tolist() == ["no/other.bmp", "yes/L.png+9"]
    assert cohort.table.content_hash[1:].value_counts().max() >= 6
    yes = cohort.images[1:].astype(int)
    eight_bits = [not file.endswith("deep.png") for file in cohort.table.file[1:]]
    assert abs(yes[eight_bits] - yes[eight_bits][0]).max() < 12
    assert "1 of 16 bits or more, windowed from 1st to 99th percentile" in cohort.notes


def test_one_bit_and_transparent_pictures(tmp_path):
    save(tmp_path / "one.png", np.eye(16, dtype=np.uint8) * 255, "1")
    assert np.array_equal(read_picture(tmp_path / "one.png").pixels, np.eye(16, dtype=np.uint8) * 255)
    clear = np.dstack([np.full((8, 8, 3), 200, np.uint8), np.repeat([[0], [255]], 32).reshape(8, 8)])
    Image.fromarray(clear.astype(np.uint8)).save(tmp_path / "clear.png")
    assert set(read_picture(tmp_path / "clear.png").pixels[0]) == {0}
    assert set(read_picture(tmp_path / "clear.png").pixels[-1]) == {200}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "a.png", head(1), exif=exif)
    pixels = read_picture(tmp_path / "a.png").pixels
    assert pixels.shape == ((90, 80) if orientation < 5 else (80, 90))
    assert (orientation == 1) == np.array_equal(pixels, head(1))


def test_leftovers_of_file_managers_are_ignored(folder):
    for name in (".DS_Store", "._0.png", "Thumbs.db", "desktop.ini"):
        (folder / "no" / name).write_bytes(b"not a picture")
    assert len(load(folder, size=16)) == 6


def test_copies_across_classes_are_said(folder):
    save(folder / "yes" / "again.png", head(0))
    cohort = load(folder, size=16)
    assert "no/0.png (no) and yes/again.png (yes) are the same picture" in cohort.notes
    assert cohort.subjects[0] == "no/0.png+1"
    finding = verify(folder).iloc[0]
    assert finding.level == "error" and "are the same picture" in finding.found


def test_a_phantom_says_so(folder):
    (folder / "SYNTHETIC.txt").touch()
    assert load(folder, size=16).notes[0] == "drawn phantoms, not patients"
    assert "drawn phantoms: 3 no, 3 yes" in verify(folder).found.tolist()


# --- folders that cannot be used


def test_the_archive_holds_everything_twice(folder, tmp_path):
    (tmp_path / "archive").mkdir()
    folder.rename(tmp_path / "archive" / "brain_tumor_dataset")
    archive = tmp_path / "archive"
    assert class_folders(archive) == archive / "brain_tumor_dataset"
    for file in picture_files(archive / "brain_tumor_dataset"):
        save(archive / file.parent.name / file.name, np.asarray(Image.open(file)))
    with pytest.raises(InputError, match="12 files: the pictures twice") as caught:
        load(archive)
    assert str(archive / "brain_tumor_dataset") in caught.value.remedy
    findings = verify(archive)
    assert findings.level[0] == "error" and "12 files" in findings.found[0]
    assert len(load(archive / "brain_tumor_dataset", size=16)) == 6


def test_one_class_only(folder):
    for file in (folder / "no").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="no: found no picture"):
        load(folder)
    (folder / "no").rmdir()
    with pytest.raises(InputError, match="found the folder yes/ alone"):
        load(folder)


def test_other_folders(folder, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="found the folders set; expected two folders"):
        load(tmp_path)
    with pytest.raises(InputError, match="found no folder in it"):
        load(folder / "yes")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "file")


# --- files that cannot be used


def write_broken(folder, kind):
    "A broken file of a kind in the class yes."
    path = folder / "yes" / "broken.png"
    frames = [Image.fromarray(head(number)) for number in range(5)]
    whole = io.BytesIO()
    frames[0].save(whole, "JPEG", quality=95)
    if kind == "animated":
        frames[0].save(path, "PNG", save_all=True, append_images=frames[1:])
    elif kind == "film":
        frames[0].save(path, "GIF", save_all=True, append_images=frames[1:3])
    elif kind == "pages":
        frames[0].save(path, "TIFF", save_all=True, append_images=frames[1:4])
    elif kind == "colour":
        noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to(folder / "nothing")
    else:
        content = {
            "empty": b"",
            "text": b"tumour: yes\n",
            "truncated": whole.getvalue()[: len(whole.getvalue()) // 2],
            "header": whole.getvalue()[:30],
            "huge": png_header(10_000, 8_000),
            "bomb": png_header(60_000, 60_000),
            "script": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
        }
        path.write_bytes(content[kind])
    return path


BROKEN = {
    "empty": "an empty file",
    "text": "no picture",
    "truncated": "a truncated or corrupt picture",
    "header": "no picture|a truncated or corrupt picture",
    "huge": r"a picture of 10,000 x 8,000 pixels \(80 million\)",
    "bomb": r"a picture too large to open \(Image size \(3600000000 pixels\)",
    "animated": "5 frames: an animated or multi-page file",
    "film": "3 frames: an animated or multi-page file",
    "pages": "4 frames: an animated or multi-page file",
    "colour": "a colour picture",
    "folder": "a folder among the pictures",
    "dangling": "no such file",
    "script": "no picture",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_named_and_costs_no_other(folder, kind):
    sound = load(folder, size=16)
    path = write_broken(folder, kind)
    with pytest.raises(InputError, match=BROKEN[kind]) as caught:
        load(folder, size=16)
    assert caught.value.where == str(path) and "skip_broken=True" in caught.value.remedy
    kept = load(folder, size=16, skip_broken=True)
    assert np.array_equal(kept.images, sound.images)
    assert any(note.startswith(f"a file was left out. {path}") for note in kept.notes)
    findings = verify(folder)
    assert findings.level[0] == "error" and findings["where"][0] == str(path)


def test_many_broken_files_are_one_error(folder):
    for number in range(5):
        (folder / "no" / f"broken{number}.jpg").write_bytes(b"")
    with pytest.raises(InputError, match="5 of 11 files broken .*broken0.jpg: an empty file.*and 2 more"):
        load(folder)
    for number in (0, 2, 4):
        (folder / "no" / f"{number}.png").write_bytes(b"")
    with pytest.raises(InputError, match="8 of 11 files broken"):
        load(folder, skip_broken=True)  # a class would be empty
    assert (verify(folder).level == "error").sum() == 8


def test_nothing_but_broken_files(folder):
    for file in picture_files(folder):
        file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="6 of 6 files broken"):
        load(folder, skip_broken=True)
    assert verify(folder).level.tolist() == ["error"] * 6 + ["warning"]


@pytest.mark.parametrize(
    "options", [{"size": 4}, {"size": 2.5}, {"size": True}, {"near": -1}, {"near": 256}, {"near": "2"}]
)
def test_options_that_cannot_be(folder, options):
    with pytest.raises(InputError, match="expected a whole number from"):
        load(folder, **options)


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    "A sound file of 3 kB that unpacks to 60 MB: under a limit on memory it is refused all the same."
    side = int(PIXEL_LIMIT**0.5) + 1
    (tmp_path / "flat.png").write_bytes(b"")
    Image.new("1", (side, side)).save(tmp_path / "flat.png")
    code = (
        "import resource, sys, numpy, PIL.Image, PIL.ImageOps, PIL.PngImagePlugin\n"
        "from cardioteach.images import read_picture\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 30_000_000,) * 2)\n"
        "try: read_picture(sys.argv[1])\n"
        "except ValueError as error: print(error)"
    )
    if not sys.platform.startswith("linux"):
        pytest.skip("memory is limited in Linux's way")
    command = [sys.executable, "-c", code, str(tmp_path / "flat.png")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert f"a picture of {side:,} x {side:,} pixels" in done.stdout, done.stderr


SOUND = []
for kind, options in (("PNG", {}), ("JPEG", {"quality": 80}), ("TIFF", {}), ("GIF", {}), ("BMP", {})):
    for mode in ("L", "RGB", "P", "RGBA"):
        try:
            packed = io.BytesIO()
            Image.fromarray(head(3, 20, 16)).convert(mode).save(packed, kind, **options)
            SOUND.append(packed.getvalue())
        except OSError:  # JPEG has no palette and no transparency
            pass


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, about damaged tags
@settings(max_examples=300)
@given(
    st.sampled_from(SOUND),
    st.integers(0, 2000),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
)
def test_damaged_bytes_give_pixels_or_one_error(tmp_path_factory, content, cut, changes):
    damaged = bytearray(content[: len(content) - cut] if cut < len(content) else content)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.bin"
    path.write_bytes(damaged)
    try:
        assert read_picture(path).pixels.ndim == 2
    except InputError as error:
        assert error.where == str(path) and error.remedy


# --- duplicates


def test_pictures_without_content():
    "Black and white squares, a line, one pixel: nothing to hash, no crash; what is the same is the same."
    pictures = [np.zeros((30, 40), np.uint8), np.full((30, 40), 255, np.uint8), np.zeros((1, 500), np.uint8)]
    pictures += [np.ones((1, 1), np.uint8), np.zeros((30, 40), np.uint8), head(1)]
    copies = find(pictures)
    assert copies.clusters[0] == copies.clusters[4] != copies.clusters[5]
    for method in ("average", "gradient"):
        assert len(find(pictures, method=method, trim=False)) == 6


def test_blocks_give_the_same_pairs(monkeypatch):
    from cardioteach import duplicates

    random = np.random.default_rng(0)
    bits = random.random((2500, 256)) < 0.5
    bits[2400] = bits[7]
    bits[1030, 3:] = bits[1029, 3:]
    pairs = near_pairs(bits, 5)
    assert pairs[["first", "second"]].to_numpy().tolist() == [[7, 2400], [1029, 1030]]
    curve = threshold_curve(bits, random.integers(0, 2, 2500), upto=255)
    assert curve.pairs.iloc[-1] == 2500 * 2499 / 2
    monkeypatch.setattr(duplicates, "PAIR_LIMIT", 1000)
    with pytest.raises(InputError, match="more than 1,000 pairs within 255 bits"):
        near_pairs(bits, 255)


# --- command line


def test_commands(folder, tmp_path, capsys):
    assert main(["verify", "brain-tumor", str(folder)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("warning") and "3 no, 3 yes; expected 98 no, 155 yes" in said
    write_broken(folder, "empty")
    assert main(["verify", "brain-tumor", str(folder)]) == 1
    assert "broken.png: an empty file" in capsys.readouterr().out.replace("found ", "")
    assert main(["phantom", "brain", str(tmp_path / "heads"), "--pictures", "12"]) == 0
    said = capsys.readouterr().out
    assert "7 drawn heads with a tumour, 5 without" in said and "truth.csv" in said
    assert len(load(tmp_path / "heads", size=16)) == 12
    assert main(["phantom", "brain", str(folder)]) == 2
    assert "files that are no phantom" in capsys.readouterr().err
