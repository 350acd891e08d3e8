"The command line of the brain tumour lesson on drawn heads: what it writes, how it is taken up, and what a user may get wrong."

import shutil

import pandas as pd
import pytest

from cardioteach import brain_tumor
from cardioteach.backbones import backbone
from cardioteach.claims import read_results
from cardioteach.cli import main
from cardioteach.phantom.brain import make


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    return make(tmp_path_factory.mktemp("heads"), n=40, seed=0)


def train(*options):
    return main(["train", "brain-tumor", "--epochs", "1", *map(str, options)])


def test_heads_on_a_frozen_network(heads, tmp_path, capsys):
    out = tmp_path / "run"
    assert train("--data", heads, "--out", out) == 0
    said = capsys.readouterr().out
    assert str(out / "report.html") in said and "not for clinical use" in said and "by subject" in said
    assert {path.name for path in out.iterdir()} == {
        "predictions.csv",
        "report.html",
        "results.json",
        "settings.json",
    }
    content = read_results(out / "results.json")
    assert content.command.startswith("cardioteach train brain-tumor --data brain_tumor --backbone tiny")
    assert "--weights bundled" in content.command and str(tmp_path) not in content.command
    assert content.data["subject_source"] == "inferred" and content.data["images"] == 40
    methods = {r.setting["method"] for r in content.results}
    assert len(methods) == 6 and brain_tumor.FRAME in methods
    answers = pd.read_csv(out / "predictions.csv")
    assert len(answers) == 40 * 2 * 6 and answers.probability.between(0, 1).all()
    page = (out / "report.html").read_text()
    assert "inferred subjects" in page and "are not patients" in page and str(tmp_path) not in page
    assert "Claims of the paper" in page and "contradicted" in page


def test_the_cnn_and_more_repeats(heads, tmp_path, capsys):
    out = tmp_path / "run"
    assert train("--data", heads, "--model", "cnn", "--repeats", "2", "--out", out) == 0
    content = read_results(out / "results.json")
    assert "--model cnn --repeats 2" in content.command and content.backbone["name"] == "paper_cnn"
    found = brain_tumor.accuracy_of(content.results, "paper's CNN")
    assert len(found.setting["by_split"]) == 10
    assert pd.read_csv(out / "predictions.csv").groupby(["method", "split", "row"]).size().eq(2).all()


def test_an_interrupted_experiment_is_taken_up_and_another_goes_beside(heads, tmp_path, monkeypatch, capsys):
    command = ("--data", heads, "--weights", "none", "--out", tmp_path / "run")

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(brain_tumor, "results_of", stop)
        train(*command)
    kept = sorted((tmp_path / "run" / "progress").glob("*.npy"))
    assert len(kept) == 6 * 10
    assert train(*command, "--seed", "1") == 0 and (tmp_path / "run-2" / "report.html").exists()
    with monkeypatch.context() as patch:
        patch.setattr(brain_tumor, "logistic", stop)  # nothing is trained again
        assert train(*command) == 0
    assert not (tmp_path / "run" / "progress").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run-2"}


def mistaken(kind, heads, place):
    "A folder with one mistake in it."
    if kind == "none":
        return place / "nowhere"
    shutil.copytree(heads, place / "set")
    folder = place / "set"
    if kind == "one class":
        shutil.rmtree(folder / "yes")
    elif kind == "empty class":
        for path in (folder / "no").iterdir():
            path.unlink()
    elif kind == "few":
        for path in sorted((folder / "no").iterdir())[3:]:
            path.unlink()
    elif kind == "twice":
        for name in ("yes", "no"):
            shutil.copytree(folder / name, folder / "brain_tumor_dataset" / name)
    elif kind == "broken":
        min((folder / "no").iterdir()).write_bytes(b"no picture")
    return folder


@pytest.mark.parametrize(
    "kind, part",
    [
        ("none", "no such folder"),
        ("one class", "the folder no/ alone"),
        ("empty class", "no"),
        ("few", "5 or more, one for each part"),
        ("twice", "brain_tumor_dataset"),
        ("broken", "no/11 no.jpg: found no picture; expected a PNG, JPEG or TIFF file"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line_and_status_2(heads, tmp_path, capsys, kind, part):
    assert train("--data", mistaken(kind, heads, tmp_path), "--out", tmp_path / "run") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cardioteach: ")]
    assert len(said) == 1 and part in said[0], said
    assert not (tmp_path / "run").exists()


def test_a_broken_file_can_be_left_out(heads, tmp_path, capsys):
    folder = mistaken("broken", heads, tmp_path)
    assert train("--data", folder, "--model", "cnn", "--skip-broken", "--out", tmp_path / "run") == 0
    assert "left out" in capsys.readouterr().out
    assert read_results(tmp_path / "run" / "results.json").data["images"] == 39


@pytest.mark.parametrize(
    "options, part",
    [
        (("--backbone", "resnet999"), "'resnet999'"),
        (("--weights", "no/such.h5"), "no such file"),
        (("--backbone", "mobilenet-0.25"), "'bundled' for mobilenet-0.25"),
        (("--weights", "OTHER"), "weights that do not fit"),
        (("--backbone", "nasnetmobile", "--weights", "imagenet"), "224 for nasnetmobile"),
    ],
)
def test_a_network_that_cannot_be_had(heads, tmp_path, capsys, options, part):
    if "OTHER" in options:
        other = tmp_path / "other.weights.h5"
        backbone("mobilenet-0.25", "none", size=64).save_weights(other)
        options = ("--weights", other)
    assert train("--data", heads, *options, "--out", tmp_path / "run") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cardioteach: ")]
    assert len(said) == 1 and part in said[0], said


@pytest.mark.parametrize("options", [("--repeats", "0"), ("--model", "resnet"), ("--epochs", "-1")])
def test_wrong_options_are_explained(options):
    with pytest.raises(SystemExit) as stop:
        main(["train", "brain-tumor", *options])
    assert stop.value.code == 2
