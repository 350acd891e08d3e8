"""Time to load the real brain-tumour pictures, against merely decoding and resizing the same files with Pillow.

    CARDIOTEACH_DATA=/path/to/data python benchmarks/load_brain_tumor.py

Both are measured in turns in one run, with two threads; the ratio of the medians is what counts. `load` also hashes
the pixels twice and looks for copies.
"""

import argparse
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from timing import seconds

from cardioteach.data.brain_tumor import class_folders, load, picture_files
from cardioteach.download import data_folder


def plain(file: Path) -> np.ndarray:
    "A picture as 128 x 128 grey values, and nothing else."
    with Image.open(file) as picture:
        return np.asarray(picture.convert("L").resize((128, 128), Image.Resampling.BILINEAR))


def plain_all(files: list[Path]) -> np.ndarray:
    "All pictures, by two threads."
    with ThreadPoolExecutor(2) as threads:
        return np.stack(list(threads.map(plain, files)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder with yes/ and no/ (default: brain_tumor in CARDIOTEACH_DATA)")
    parser.add_argument("--repeats", type=int, default=5, help="turns; the first of each is not counted")
    options = parser.parse_args()
    folder = options.data or data_folder("brain_tumor")
    files = picture_files(class_folders(folder))
    reading, loading = [], []
    for _ in range(options.repeats + 1):
        elapsed, small = seconds(plain_all, files)
        reading.append(elapsed)
        elapsed, cohort = seconds(load, folder)
        loading.append(elapsed)
    read, whole = statistics.median(reading[1:]), statistics.median(loading[1:])
    print(cohort, *cohort.notes, sep="\n")
    print(f"first load, with what it imports: {loading[0]:.2f} s")
    print(f"decoding and resizing {len(files)} files with Pillow: {read:.2f} s")
    print(f"load: {whole:.2f} s (under 3 wanted), {whole / read:.2f} times that")
    apart = np.abs(small.astype(int) - cohort.images).mean()
    print(f"grey values differ by {apart:.2f} of 255 on average: transparency, and how colours are averaged")


if __name__ == "__main__":
    main()
