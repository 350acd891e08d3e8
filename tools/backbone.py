"""Pre-train the backbone `tiny` on generated cartoons and write its weights; what `make backbone` runs.

    python tools/backbone.py [--seed 0] [--out cardioteach/weights]

Images are generated in two processes; the training computes in one thread, so that the number of cores does not change
the sums. The same seed gives the same weights on one machine; another machine may round differently.
"""

import argparse
import os
import shlex
import time
from pathlib import Path

os.environ.update(
    OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1"
)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from cardioteach.cartoons import cartoons
from cardioteach.pretrain import answers_checked, pretrain, write_weights

OUT = Path(__file__).resolve().parent.parent / "cardioteach" / "weights"

if __name__ == "__main__":
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seed", type=int, default=0, help="0 is the one that the package brings")
    options.add_argument("--images", type=int, default=30_000)
    options.add_argument("--steps", type=int, default=1250)
    options.add_argument("--processes", type=int, default=2, help="that generate images")
    options.add_argument("--out", type=Path, default=OUT, help="folder for the weights")
    options = options.parse_args()
    start = time.perf_counter()
    trained = pretrain(options.images, options.steps, options.seed, processes=options.processes)
    checked = answers_checked(trained.pupil, cartoons(1000, seed=10_000 + options.seed))
    command = ["python", "tools/backbone.py", "--seed", options.seed, "--images", options.images]
    command = shlex.join(map(str, [*command, "--steps", options.steps]))
    file = write_weights(trained, options.out, command, checked)
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB, {(time.perf_counter() - start) / 60:.1f} minutes")
    print("on 1,000 unseen cartoons:", {name: round(value, 3) for name, value in checked.items()})
