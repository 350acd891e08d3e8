"""Time to load the real ACDC training set, against merely reading and unpacking the same files.

    CARDIOTEACH_DATA=/path/to/data python benchmarks/load_acdc.py

Both are measured in turns in one run, with two threads; the ratio of the medians is what counts. Memory is the
peak of the whole process. No progress bar is drawn before two seconds.
"""

import argparse
import gzip
import resource
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from timing import seconds

from cardioteach.data.acdc import load, patient_folders
from cardioteach.download import data_folder


def unpacked_bytes(file: Path) -> int:
    "Read and unpack a file; its size."
    return len(gzip.decompress(file.read_bytes()))


def read_only(files: list[Path]) -> int:
    "Read and unpack all files with two threads; bytes in all."
    with ThreadPoolExecutor(2) as threads:
        return sum(threads.map(unpacked_bytes, files))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="ACDC folder (default: acdc in CARDIOTEACH_DATA)")
    parser.add_argument("--repeats", type=int, default=5, help="turns; the first of each is not counted")
    options = parser.parse_args()
    folder = options.data or data_folder("acdc")
    files = [file for patient in patient_folders(folder) for file in patient.glob("*_frame*.nii.gz")]
    reading, loading = [], []
    for _ in range(options.repeats + 1):
        elapsed, size = seconds(read_only, files)
        reading.append(elapsed)
        elapsed, cohort = seconds(load, folder)
        loading.append(elapsed)
    read, whole = statistics.median(reading[1:]), statistics.median(loading[1:])
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(f"{cohort}, RoI oracle")
    print(f"reading and unpacking {len(files)} files, {size / 1e6:.0f} MB: {read:.2f} s")
    print(f"load: {whole:.2f} s, {whole / read:.2f} times that (at most 4 wanted)")
    print(f"peak memory of the process: {peak / 1e6:.0f} MB (under 1000 wanted)")


if __name__ == "__main__":
    main()
