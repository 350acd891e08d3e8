"""Time to load the real Alzheimer slices, first and from the cache, against merely decoding the same files with Pillow.

    CARDIOTEACH_DATA=/path/to/data python benchmarks/load_alzheimer.py

All are measured in turns in one run, with two threads; medians count. `load` also hashes the pixels and finds the
persons in two ways. The cache of this run is a folder of its own, removed at the end.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from timing import seconds

from cardioteach.data.alzheimer import find_pictures, link_tests, load, persons_from_pixels
from cardioteach.download import data_folder


def plain(file: str) -> np.ndarray:
    "The grey values of a picture, and nothing else."
    with Image.open(file) as picture:
        return np.asarray(picture.convert("L"))


def plain_all(files: list[str]) -> np.ndarray:
    "All pictures, by two threads."
    with ThreadPoolExecutor(2) as threads:
        return np.stack(list(threads.map(plain, files)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="folder of the set (default: alzheimer_mri in CARDIOTEACH_DATA)"
    )
    parser.add_argument("--repeats", type=int, default=3, help="turns; the first of each is not counted")
    options = parser.parse_args()
    folder = options.data or data_folder("alzheimer_mri")
    files = find_pictures(folder).listing.file.tolist()
    times = {name: [] for name in ("decoding", "load", "from the cache", "persons, all pairs", "link tests")}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["CARDIOTEACH_CACHE"] = cache
        for _ in range(options.repeats + 1):
            shutil.rmtree(Path(cache) / "alzheimer", ignore_errors=True)
            elapsed, small = seconds(plain_all, files)
            times["decoding"].append(elapsed)
            for name in ("load", "from the cache"):
                elapsed, cohort = seconds(load, folder)
                times[name].append(elapsed)
            times["persons, all pairs"].append(seconds(persons_from_pixels, cohort.images)[0])
            times["link tests"].append(seconds(link_tests, cohort)[0])
    middle = {name: statistics.median(turns[1:]) for name, turns in times.items()}
    print(cohort, *cohort.notes, sep="\n")
    print(f"decoding {len(files)} files with Pillow: {middle['decoding']:.2f} s")
    print(
        f"load: {middle['load']:.2f} s (under 6 wanted), {middle['load'] / middle['decoding']:.2f} times that"
    )
    print(f"load from the cache: {middle['from the cache']:.2f} s (under 1 wanted)")
    print(f"persons from pixels, all pairs of images: {middle['persons, all pairs']:.2f} s (under 5 wanted)")
    print(f"link tests: {middle['link tests']:.2f} s")
    print(f"the same pixels: {np.array_equal(small, cohort.images)}")


if __name__ == "__main__":
    main()
