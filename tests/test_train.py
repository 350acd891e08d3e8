"A run that is really killed, caches under real processes, disks that are full: what a notebook cannot show well."

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from cardioteach import backbones, train
from cardioteach.backbones import backbone, features, head
from cardioteach.cohort import Cohort, InputError
from cardioteach.split import leaky_split_by_image, split_by_subject

TRAIN = """
import sys, time
import keras, numpy as np, pandas as pd
from cardioteach import train
from cardioteach.cohort import Cohort
from cardioteach.split import split_by_subject

random = np.random.default_rng(0)
subject, label = np.repeat(np.arange(15), 4), np.repeat(np.arange(15) % 3, 4)
images = random.integers(0, 256, (60, 32, 32), dtype=np.uint8)
table = pd.DataFrame({"subject": [f"p{i:02}" for i in subject], "label": label})
cohort = Cohort(table, ("a", "b", "c"), images)
keras.utils.set_random_seed(3)
layers = keras.layers
model = keras.Sequential([
    keras.Input((32, 32, 1), dtype="uint8"), layers.Rescaling(1 / 255), layers.Conv2D(4, 3, activation="relu"),
    layers.BatchNormalization(), layers.GlobalAveragePooling2D(), layers.Dropout(0.3), layers.Dense(3, "softmax"),
])
if float(sys.argv[2]):
    save = train._save_state
    def slow(*arguments):
        save(*arguments)
        time.sleep(float(sys.argv[2]))
    train._save_state = slow
train.fit(cohort, split_by_subject(cohort, (60, 20, 20)), model, sys.argv[1], epochs=6, batch_size=8, seed=5)
"""


OPTIONS = {
    "epochs": 1,
    "batch_size": 32,
    "optimizer": train._as_settings(None),
    "class_weights": None,
    "seed": 0,
}


def start(folder: Path, pause: float) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", TRAIN, str(folder), str(pause)], stderr=subprocess.DEVNULL)


def epochs_saved(folder: Path) -> int:
    try:
        with np.load(folder / "progress" / "state.npz") as state:
            return len(json.loads(str(state["history"])))
    except OSError:
        return 0


def test_a_killed_run_ends_like_one_left_in_peace(tmp_path):
    "SIGKILL after some epoch, then again the same command: the same history, weights and predictions, in the same folder."
    assert start(tmp_path / "whole", 0).wait(300) == 0
    victim = start(tmp_path / "killed", 0.5)
    until = time.monotonic() + 120
    while epochs_saved(tmp_path / "killed") < 2 and time.monotonic() < until and victim.poll() is None:
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait(60) == -signal.SIGKILL
    assert 2 <= epochs_saved(tmp_path / "killed") < 6
    assert start(tmp_path / "killed", 0).wait(300) == 0
    whole, killed = (pd.read_csv(tmp_path / name / "history.csv") for name in ("whole", "killed"))
    pd.testing.assert_frame_equal(whole, killed)
    for name in ("predictions.csv", "metrics.json"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "killed" / name).read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "whole"]
    assert not (tmp_path / "killed" / "progress").exists()


@pytest.fixture
def cohort():
    images = np.random.default_rng(0).integers(0, 256, (60, 32, 32), dtype=np.uint8)
    table = pd.DataFrame(
        {
            "subject": [f"p{i:02}" for i in np.repeat(np.arange(15), 4)],
            "label": np.repeat(np.arange(15) % 3, 4),
        }
    )
    return Cohort(table, ("a", "b", "c"), images)


@pytest.fixture
def base():
    return backbone("tiny", "none", size=32)


def test_the_best_epoch_is_the_one_with_the_lowest_validation_loss(cohort, base, tmp_path):
    split = split_by_subject(cohort, (60, 20, 20))
    top = head(features(cohort.images, base)[split.train], 3)
    run = train.fit(
        cohort, split, top, tmp_path / "run", base, epochs=12, optimizer=keras.optimizers.Adam(0.05)
    )
    vectors, labels = features(cohort.images, base)[split.validation], cohort.labels[split.validation]
    probabilities = top.predict(vectors, verbose=0)
    loss = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    assert run.history.val_loss.idxmin() < 11, (
        "the last epoch is the best: the test would not notice the difference"
    )
    assert loss == pytest.approx(run.history.val_loss.min(), abs=1e-5)


def test_a_run_folder_is_complete_and_the_report_stands_alone(cohort, base, tmp_path):
    split = leaky_split_by_image(cohort)
    top = head(features(cohort.images, base)[split.train], 3)
    run = train.fit(cohort, split, top, tmp_path / "run", base, epochs=2)
    names = {
        "settings.json",
        "history.csv",
        "model.keras",
        "predictions.csv",
        "metrics.json",
        "report.html",
        "curves.png",
        "confusion.png",
    }
    assert {path.name for path in run.folder.iterdir()} == names
    page = (run.folder / "report.html").read_text()
    assert "leaky" in page and "<script" not in page and "http" not in page
    rows = pd.read_csv(run.folder / "predictions.csv")
    assert len(rows) == 60 and set(rows.part) == {"train", "validation", "test"}


def test_the_saved_model_needs_nothing_of_ours(cohort, base, tmp_path):
    split = split_by_subject(cohort, (60, 20, 20))
    top = head(features(cohort.images, base)[split.train], 3)
    run = train.fit(cohort, split, top, tmp_path / "run", base, epochs=1)
    np.save(tmp_path / "images.npy", cohort.images[split.test][..., None])
    np.save(tmp_path / "expected.npy", run.evaluation.probabilities)
    code = (
        "import sys, keras, numpy as np; sys.modules['cardioteach'] = None\n"
        f"model = keras.saving.load_model({str(run.folder / 'model.keras')!r}, safe_mode=True)\n"
        f"found = model.predict(np.load({str(tmp_path / 'images.npy')!r}), verbose=0)\n"
        f"assert np.allclose(found, np.load({str(tmp_path / 'expected.npy')!r}), atol=1e-5)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)


def test_a_subject_in_two_parts_stops_a_run(cohort, base, tmp_path):
    split = leaky_split_by_image(cohort)
    wrong = train.Split(split.train, split.validation, split.test, "subject", 0)
    with pytest.raises(InputError, match="in two parts"):
        train.fit(cohort, wrong, head(np.zeros((1, 128)), 3), tmp_path / "run", base)
    assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_be_written_is_found_before_training(cohort, base, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        train.fit(
            cohort,
            split_by_subject(cohort, (60, 20, 20)),
            head(np.zeros((1, 128)), 3),
            tmp_path / "file" / "run",
            base,
        )


def test_two_processes_do_not_train_in_one_folder(cohort, base, tmp_path):
    split = split_by_subject(cohort, (60, 20, 20))
    vectors = features(cohort.images, base)
    top = head(vectors[split.train], 3)
    settings = train._settings(cohort, split, top, base, vectors, OPTIONS)
    with train.run_folder(tmp_path / "run", settings, "metrics.json"):
        assert train.fit(cohort, split, top, tmp_path / "run", base, epochs=1).folder.name == "run-2"


def test_an_unfinished_run_is_found_beside_finished_ones_and_only_for_the_same_images(cohort, base, tmp_path):
    with train.run_folder(tmp_path / "run", {"other": 1}, "done"):
        pass
    with train.run_folder(tmp_path / "run", {"mine": 1}, "done") as unfinished:
        assert unfinished.name == "run-2"
    with train.run_folder(tmp_path / "run", {"mine": 1}, "done") as again:
        assert again == unfinished
    split = split_by_subject(cohort, (60, 20, 20))
    one, other = (
        train._settings(cohort, split, head(np.zeros((1, 128)), 3), base, images, OPTIONS)
        for images in (cohort.images, 255 - cohort.images)
    )
    assert one != other


def test_a_disk_that_fills_up_is_one_clear_error_and_the_run_goes_on_later(
    cohort, base, tmp_path, monkeypatch
):
    split = split_by_subject(cohort, (60, 20, 20))
    top = head(features(cohort.images, base)[split.train], 3)
    write, calls = train.np.savez, []

    def full(*arguments, **arrays):
        calls.append(1)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        write(*arguments, **arrays)

    monkeypatch.setattr(train.np, "savez", full)
    with pytest.raises(InputError, match="No space left on device.*Make room"):
        train.fit(cohort, split, top, tmp_path / "run", base, epochs=4)
    assert {path.name for path in (tmp_path / "run" / "progress").iterdir()} == {"state.npz"}
    run = train.fit(
        cohort, split, head(features(cohort.images, base)[split.train], 3), tmp_path / "run", base, epochs=4
    )
    assert run.folder.name == "run" and run.history.epoch.tolist() == [1, 2, 3, 4]


def test_layers_that_augment_are_seeded_in_every_epoch():
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.RandomFlip(), keras.layers.Dropout(0.5), keras.layers.Flatten()]
    )
    images = np.random.default_rng(0).random((16, 8, 8, 1)).astype(np.float32)

    def epoch(number):
        train._seed_layers(model, 20_241_231, number)
        return np.asarray(model(images, training=True))

    first = epoch(0)
    epoch(1)
    np.testing.assert_array_equal(epoch(0), first)
    assert not np.array_equal(epoch(1), first)


@pytest.mark.slow
def test_the_training_path_runs_on_jax():
    pytest.importorskip("jax", reason="jax is not installed: KERAS_BACKEND=jax is not tested here")
    environment = os.environ | {"KERAS_BACKEND": "jax"}
    command = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "killed or best or saved"]
    assert subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode == 0


COMPUTE = """
import os, sys, time
import numpy as np
from cardioteach import backbones
compute = backbones._compute
def counted(*arguments):
    with open(sys.argv[1], "a") as file:
        file.write("computed ")
    time.sleep(1)
    return compute(*arguments)
backbones._compute = counted
images = np.random.default_rng(0).integers(0, 256, (40, 32, 32), dtype=np.uint8)
print(backbones.features(images, backbones.backbone("tiny", "none", size=32)).sum())
"""


def test_two_processes_compute_the_same_features_once(tmp_path):
    command = [sys.executable, "-c", COMPUTE, str(tmp_path / "log")]
    environment = os.environ | {"CARDIOTEACH_CACHE": str(tmp_path / "cache")}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "env": environment}
    both = [subprocess.Popen(command, **options) for _ in range(2)]
    sums = {process.communicate(timeout=120)[0] for process in both}
    assert len(sums) == 1 and all(process.returncode == 0 for process in both)
    assert (tmp_path / "log").read_text() == "computed "
    assert len(list((tmp_path / "cache" / "features").glob("*.npz"))) == 1


def test_a_full_disk_costs_the_cache_entry_not_the_features(cohort, base, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("CARDIOTEACH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(UserWarning, match="not kept.*No space left"):
        found = features(cohort.images, base)
    assert found.shape == (60, 128) and not list(tmp_path.rglob("*.npz"))


def test_a_cache_that_cannot_be_made_costs_nothing_but_time(cohort, base, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CARDIOTEACH_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="not kept"):
        assert features(cohort.images, base).shape == (60, 128)


@pytest.mark.parametrize("damage", [b"", b"not a zip", "truncated", "bit"])
def test_a_damaged_cache_entry_is_computed_again_and_said(cohort, base, tmp_path, monkeypatch, damage):
    monkeypatch.setenv("CARDIOTEACH_CACHE", str(tmp_path))
    expected = features(cohort.images, base)
    (entry,) = tmp_path.rglob("*.npz")
    content = bytearray(entry.read_bytes())
    if damage == "bit":
        content[len(content) // 2] ^= 1
    entry.write_bytes({"truncated": content[:-100], "bit": content}.get(damage, damage))
    with pytest.warns(UserWarning, match="damaged: what it held is computed again"):
        np.testing.assert_array_equal(features(cohort.images, base), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        np.testing.assert_array_equal(features(cohort.images, base), expected)


def test_other_images_or_weights_are_another_entry(cohort, base, tmp_path, monkeypatch):
    monkeypatch.setenv("CARDIOTEACH_CACHE", str(tmp_path))
    features(cohort.images, base)
    changed = cohort.images.copy()
    changed[0, 0, 0] ^= 1
    features(changed, base)
    features(cohort.images, backbone("tiny", "none", size=32, seed=1))
    assert len(list(tmp_path.rglob("*.npz"))) == 3


def test_no_network_for_imagenet_weights_is_one_clear_error(monkeypatch, tmp_path):
    def no_network(*_, **__):
        raise OSError("URL fetch failure: Name or service not known")

    module = sys.modules[keras.applications.MobileNet.__module__]
    monkeypatch.setattr(module.file_utils, "get_file", no_network)
    with pytest.raises(InputError, match="Connect to the network once, or give a weights file"):
        backbone("mobilenet-0.25", "imagenet")


def test_on_a_gpu_layers_are_half_precise_but_what_goes_in_and_out_is_not(monkeypatch):
    "No GPU is needed to see which precision the layers would have there."
    monkeypatch.setattr(backbones, "has_gpu", lambda: True)
    net = backbone("mobilenet-0.25", "none", size=64)
    kinds = {layer.name: layer.compute_dtype for layer in net._flatten_layers(include_self=False)}
    assert kinds["features"] == "float32" and kinds["conv1"] == "float16"
    assert {kind for name, kind in kinds.items() if "rescaling" in name or "concatenate" in name} == {
        "float32"
    }
    assert keras.config.dtype_policy().name == "float32", "the policy must not leak"
    found = net.predict(np.full((1, 64, 64, 1), 200, np.uint8), verbose=0)
    assert found.dtype == np.float32 and np.isfinite(found).all()
