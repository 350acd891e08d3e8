"""Is the bundled backbone better than random weights on real images? Three of each, and ImageNet, on the same folds.

    CARDIOTEACH_DATA=FOLDER python benchmarks/backbone.py [--seeds 0 1 2] [--out cardioteach/results/backbone.json]

FOLDER holds `acdc`, `brain_tumor` and, for ImageNet, `keras_weights`. Frozen features at 128 pixels, standardised by the
training part; logistic regression. The primary analysis is the mean over the plane with C = 1; the sensitivity analyses
were named before the first run: C = 0.01, and the plane pooled to 2 x 2 with C = 0.01. Nothing is chosen by these
numbers. Weights of seeds that the package does not bring are made by tools/backbone.py, ten minutes each, and kept in
the cache folder.
"""

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import cardioteach
from cardioteach.backbones import BUNDLED, backbone, weights_hash
from cardioteach.cache import cache_folder
from cardioteach.claims import Result, ResultFile, write_results
from cardioteach.cohort import Cohort, content_hash
from cardioteach.data import acdc, brain_tumor
from cardioteach.evaluate import _auc, _ends, _subject_draws, subject_vote
from cardioteach.split import Split, folds_by_subject, image_vectors

ROOT = Path(__file__).resolve().parent.parent
SIZE = 128
ANALYSES = {  # name: (cells of the plane in a line, C)
    "primary": (1, 1.0),
    "C = 0.01": (1, 0.01),
    "2 x 2 cells, C = 0.01": (2, 0.01),
}
IMAGENET = {
    "ImageNet MobileNet 0.25": ("mobilenet-0.25", "mobilenet_2_5_224_tf_no_top.h5"),
    "ImageNet MobileNet 0.75": ("mobilenet-0.75", "mobilenet_0.75_224_notop_from_tfjs.weights.h5"),
}


def weights_of(seed: int) -> Path:
    "The pre-trained weights of a seed: bundled, from the cache, or made now."
    note = json.loads((BUNDLED / "tiny.json").read_text())
    if note["seed"] == seed:
        return BUNDLED / "tiny.weights.h5"
    folder = cache_folder() / "backbones" / f"tiny-seed{seed}-cartoons{note['versions']['cartoons']}"
    if not (folder / "tiny.json").exists():
        command = [sys.executable, ROOT / "tools" / "backbone.py", "--seed", str(seed), "--out", folder]
        subprocess.run(command, check=True)
    return folder / "tiny.weights.h5"


def planes(images: np.ndarray, name: str, weights: str | Path, seed: int = 0) -> tuple[np.ndarray, str]:
    "The last plane of features, (n, rows, columns, features), and the hash of the weights."
    model = backbone(name, weights, SIZE, seed, pooling="flatten")
    width = backbone(name, weights, SIZE, seed).output_shape[-1]
    blocks = [
        np.asarray(model.predict_on_batch(images[start : start + 64, ..., None]))
        for start in tqdm(range(0, len(images), 64), desc=f"{name} {seed}", leave=False)
    ]
    side = round((model.output_shape[-1] / width) ** 0.5)
    return np.concatenate(blocks).reshape(len(images), side, side, width), weights_hash(model)


def pooled(plane: np.ndarray, cells: int) -> np.ndarray:
    "The mean over each of `cells` x `cells` parts of the plane, (n, cells * cells * features)."
    n, side, _, width = plane.shape
    parts = plane.reshape(n, cells, side // cells, cells, side // cells, width)
    return parts.mean(axis=(2, 4)).reshape(n, -1)


def out_of_fold(inputs: np.ndarray, cohort: Cohort, folds: list[Split], strength: float) -> np.ndarray:
    "Probabilities for each image as a test image, (repeats, n, classes); all other folds are the training part."
    repeats = sorted({split.seed for split in folds})
    found = np.full((len(repeats), len(cohort), len(cohort.classes)), np.nan)
    for split in folds:
        train = np.concatenate([split.train, split.validation])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        with threadpool_limits(1, "blas"):  # small matrices: a second thread only waits
            model.fit(inputs[train], cohort.labels[train])
        found[repeats.index(split.seed), split.test] = model.predict_proba(inputs[split.test])
    assert np.isfinite(found).all()
    return found


def accuracy_per_image(found: np.ndarray, cohort: Cohort, draws: np.ndarray) -> np.ndarray:
    "Share of images right in each draw of subjects, mean over repeats, (draws,)."
    codes = pd.factorize(cohort.subjects)[0]
    right = np.bincount(codes, weights=(found.argmax(axis=-1) == cohort.labels).mean(axis=0))
    return draws @ right / (draws @ np.bincount(codes))


def accuracy_per_subject(found: np.ndarray, cohort: Cohort, draws: np.ndarray) -> np.ndarray:
    "Share of subjects whose mean probability speaks for the truth, mean over repeats, (draws,)."
    votes = [subject_vote(cohort.labels, repeat, cohort.subjects) for repeat in found]
    names = pd.factorize(cohort.subjects)[1]
    right = np.mean([(vote.truth == vote.predicted).loc[names] for vote in votes], axis=0)
    return draws @ right / draws.sum(axis=1)


def auc(found: np.ndarray, cohort: Cohort, draws: np.ndarray) -> np.ndarray:
    "Area under the ROC curve of the last class, images of a repeat pooled, mean over repeats, (draws,)."
    codes, positive = pd.factorize(cohort.subjects)[0], cohort.labels == len(cohort.classes) - 1
    return np.mean([_auc(positive, repeat[:, -1], codes, draws) for repeat in found], axis=0)


def all_draws(cohort: Cohort) -> np.ndarray:
    "The cohort itself, then 2,000 bootstrap draws of its subjects, (draws, subjects)."
    n = cohort.table.subject.nunique()
    return np.concatenate([np.ones((1, n), np.float32), _subject_draws(n, seed=0)])


def as_result(name: str, drawn: np.ndarray, over: str, **setting) -> Result:
    "A number with its interval."
    return Result(name, float(drawn[0]), *_ends(drawn[1:]), f"95 %, bootstrap over {over}", setting)


def inputs_of(cohort: Cohort, seeds: list[int], data: Path) -> tuple[dict, dict]:
    "The plane of each (kind of weights, seed), and the hashes of the weights."
    work = {("pre-trained", seed): ("tiny", weights_of(seed), seed) for seed in seeds}
    work |= {("random", seed): ("tiny", "none", seed) for seed in seeds}
    for kind, (network, file) in IMAGENET.items():
        if (data / "keras_weights" / file).exists():
            work[kind, None] = (network, data / "keras_weights" / file)
    found = {member: planes(cohort.images, *what) for member, what in work.items()}
    arrays = {member: plane for member, (plane, _) in found.items()}
    arrays["pixels, 16 x 16", None] = image_vectors(cohort.images, 16)[:, None, None]
    names = [kind if seed is None else f"{kind}, seed {seed}" for kind, seed in found]
    return arrays, dict(zip(names, (digest for _, digest in found.values()), strict=True))


def compare(title: str, drawn: dict, over: str, **setting) -> list[Result]:
    "Means over seeds, numbers of each seed, and paired differences in the same draws and folds."
    results, mean = [], {}
    for kind in dict.fromkeys(kind for kind, _ in drawn):
        seeds = {seed: values for (k, seed), values in drawn.items() if k == kind}
        mean[kind] = np.mean(list(seeds.values()), axis=0)
        each = {str(seed): float(values[0]) for seed, values in seeds.items()} if len(seeds) > 1 else {}
        about = setting | {"weights": kind} | ({"seeds": each} if each else {})
        results.append(as_result(f"{title}: {kind}", mean[kind], over, **about))
    for other in list(mean)[1:]:
        name, about = f"{title}: pre-trained minus {other}", setting | {"difference": ["pre-trained", other]}
        results.append(as_result(name, mean["pre-trained"] - mean[other], over, **about))
    return results


def measure(
    title: str, cohort: Cohort, folds: list[Split], measures: dict, over: str, arrays: dict
) -> list[Result]:
    "All numbers of one data set."
    results, draws = [], all_draws(cohort)
    for analysis, (cells, strength) in ANALYSES.items():
        members = {member: plane for member, plane in arrays.items() if plane.shape[1] >= cells}
        found = {
            member: out_of_fold(pooled(plane, cells), cohort, folds, strength)
            for member, plane in tqdm(members.items(), desc=f"{title}, {analysis}")
        }
        for name, function in measures.items():
            drawn = {
                member: function(probabilities, cohort, draws) for member, probabilities in found.items()
            }
            setting = {"data": title, "measure": name, "analysis": analysis, "cells": cells, "C": strength}
            results += compare(f"{title}, {name}, {analysis}", drawn, over, **setting)
    return results


def about(cohort: Cohort, name: str) -> dict:
    "What was measured on."
    people = int(cohort.table.subject.nunique())
    return {"name": name, "images": len(cohort), "subjects": people, "content": content_hash(cohort.images)}


def main(data: Path, seeds: list[int], out: Path):
    "Measure on both data sets, print, and write the result file."
    hearts = acdc.load(data / "acdc", "ed_es", "oracle", size=SIZE)
    tumours = brain_tumor.load(data / "brain_tumor", size=SIZE)
    arrays, hashes = inputs_of(hearts, seeds, data)
    n = hearts.table.subject.nunique()
    measures = {"accuracy per image": accuracy_per_image, "accuracy per subject": accuracy_per_subject}
    folds = folds_by_subject(hearts, folds=5, repeats=2)
    results = measure("ACDC", hearts, folds, measures, f"{n} subjects", arrays)
    arrays, _ = inputs_of(tumours, seeds, data)
    n = tumours.table.subject.nunique()
    folds = folds_by_subject(tumours, folds=5, repeats=5)
    results += measure("brain tumour", tumours, folds, {"AUC": auc}, f"{n} clusters of copies", arrays)
    content = ResultFile(
        title="The bundled backbone against random weights, ImageNet and pixels",
        data={"sets": [about(hearts, "ACDC training set"), about(tumours, "brain tumour, 253 images")]},
        command="python benchmarks/backbone.py",
        roi="oracle (ACDC); the whole image (brain tumour)",
        backbone={
            "name": "tiny",
            "weights": f"trained on generated cartoons, seeds {', '.join(map(str, seeds))}",
            "size": SIZE,
            "hash": hashes,
        },
        seed=0,
        versions={
            "cardioteach": cardioteach.__version__,
            "keras": f"{keras.__version__} on {keras.backend.backend()}",
        },
        results=tuple(results),
    )
    write_results(out, content)
    print(content.table()[["value", "low", "high"]].round(3).to_string())


if __name__ == "__main__":
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--out", type=Path, default=ROOT / "cardioteach" / "results" / "backbone.json")
    options = options.parse_args()
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # a draw without one of the classes
    main(Path(os.environ["CARDIOTEACH_DATA"]), options.seeds, options.out)
