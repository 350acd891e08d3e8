"""Features once and a head on them, against one pass of `predict`, and against training through the frozen backbone.

    python benchmarks/features.py [--images 1841] [--backbones resnet50v2 mobilenet]

Everything is measured in one run on random images (speed does not depend on what they show) with random weights; two
epochs through the frozen backbone are timed and scaled to fifty. Ratios count, not seconds.
"""

import argparse
import os
import tempfile

os.environ["CARDIOTEACH_CACHE"] = tempfile.mkdtemp(prefix="cardioteach-")  # nothing from an earlier run
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from timing import seconds

from cardioteach.backbones import backbone, features, head, join
from cardioteach.cohort import Cohort
from cardioteach.split import split_by_subject
from cardioteach.train import fit

EPOCHS, BATCH = 50, 32


def random_cohort(n: int, size: int) -> Cohort:
    "Random images of a hundred subjects in five classes."
    subject = np.sort(np.arange(n) % 100)
    table = pd.DataFrame({"subject": [f"p{i:03}" for i in subject], "label": subject % 5})
    return Cohort(
        table, tuple("abcde"), np.random.default_rng(0).integers(0, 256, (n, size, size), dtype=np.uint8)
    )


def through_the_backbone(
    base: keras.Model, cohort: Cohort, rows: np.ndarray, valid: np.ndarray, epochs: int = 2
) -> float:
    "Seconds for 50 epochs of training a head through the frozen backbone, from two measured after a first."
    model = join(base, head(np.zeros((1, base.output_shape[1])), 5))
    model.compile("adam", "sparse_categorical_crossentropy")
    images, labels = cohort.images[..., None], cohort.labels
    options = {"batch_size": BATCH, "verbose": 0, "validation_data": (images[valid], labels[valid])}
    model.fit(images[rows[:BATCH]], labels[rows[:BATCH]], batch_size=BATCH, verbose=0)  # compiled here
    return (
        seconds(lambda: model.fit(images[rows], labels[rows], epochs=epochs, **options))[0] / epochs * EPOCHS
    )


def measure(name: str, n: int) -> dict:
    "The three times for one backbone, and their ratios."
    base = backbone(name, "none", size=224)
    cohort = random_cohort(n, 224)
    split = split_by_subject(cohort)
    base.predict(cohort.images[:BATCH, ..., None], verbose=0)  # compiled here, for all
    base.predict_on_batch(cohort.images[:BATCH, ..., None])
    predict = seconds(lambda: base.predict(cohort.images[..., None], batch_size=BATCH, verbose=0))[0]

    def ours():
        vectors = features(cohort.images, base)
        top = head(vectors[split.train], 5)
        fit(cohort, split, top, f"{tempfile.mkdtemp()}/run", base, epochs=EPOCHS, batch_size=BATCH)

    once = seconds(ours)[0]
    each = through_the_backbone(base, cohort, split.train, split.validation)
    return {
        "backbone": name,
        "one pass of predict, s": round(predict, 1),
        "features + 50 epochs, s": round(once, 1),
        "50 epochs through it, s": round(each),
        "ours / one pass": round(once / predict, 2),
        "through it / ours": round(each / once, 1),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--images", type=int, default=1841)
    options.add_argument("--backbones", nargs="+", default=["resnet50v2", "mobilenet"])
    options = options.parse_args()
    print(
        pd.DataFrame([measure(name, options.images) for name in options.backbones])
        .set_index("backbone")
        .T.to_string()
    )
