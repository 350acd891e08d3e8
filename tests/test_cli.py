"The command line: the main job on three fixed seeds, the options, and what a user may get wrong."

import re
import subprocess
import sys

import pytest

from cardioteach import acdc
from cardioteach.backbones import backbone, features
from cardioteach.claims import read_results
from cardioteach.cli import main
from cardioteach.data.acdc import load
from cardioteach.phantom.heart import make
from cardioteach.split import chance_agreement


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    return make(tmp_path_factory.mktemp("hearts"), n=25, seed=0, size="tiny")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_main_job_on_three_seeds(seed, tmp_path):
    "By image above by subject; shuffled labels by subject include chance; arithmetic predicts the leaky figures."
    cohort = load(make(tmp_path / "hearts", n=25, seed=seed, size="tiny"), size=64)
    results = acdc.study(
        cohort,
        features(cohort.images, backbone("tiny", "none", size=64, seed=seed)),
        permutations=20,
        seed=seed,
    )
    found = {result.name: result for result in results}
    for method in ("nearest neighbour", "paper's head"):
        image, subject = (
            found[f"{method}, {split}, true labels"] for split in ("by image (leaky)", "by subject")
        )
        assert image.value > subject.value
        assert image.value == pytest.approx(image.setting["arithmetic"], abs=0.15)
        control = found[f"{method}, by subject, shuffled labels"]
        # six such checks are made: each interval as wide as 99.2 % needs it (2.64 instead of 1.96 standard errors)
        reach = 2.64 / 1.96 * (control.high - control.low) / 2
        assert control.value == pytest.approx(chance_agreement(cohort), abs=reach)
        assert found[f"{method}, by image (leaky), shuffled labels"].value > control.high


def test_train_writes_both_splits_a_report_and_a_labelled_result_file(hearts, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "acdc", "--data", str(hearts), "--epochs", "3", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert str(out / "report.html") in said and "not for clinical use" in said
    assert {"by-image", "by-subject", "report.html", "results.json"} <= {path.name for path in out.iterdir()}
    content = read_results(out / "results.json")
    assert (
        content.command.startswith("cardioteach train acdc --data ACDC")
        and str(tmp_path) not in content.command
    )
    assert content.data["subjects"] == 25 and len(content.results) > 20
    page = (out / "report.html").read_text()
    assert page.count("<img alt=") >= 4 and 'src="data:' in page and str(tmp_path) not in page


def test_a_second_run_goes_beside_the_first(hearts, tmp_path, capsys):
    for _ in range(2):
        assert (
            main(
                [
                    "train",
                    "acdc",
                    "--data",
                    str(hearts),
                    "--split",
                    "subject",
                    "--epochs",
                    "1",
                    "--out",
                    str(tmp_path / "run"),
                ]
            )
            == 0
        )
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run-2"}
    assert not (tmp_path / "run" / "by-image").exists()


@pytest.mark.parametrize("options", [["--frames", "all"], ["--roi", "motion"]])
def test_all_frames_and_a_box_without_masks(hearts, tmp_path, capsys, options):
    assert (
        main(
            [
                "train",
                "acdc",
                "--data",
                str(hearts),
                "--epochs",
                "1",
                "--out",
                str(tmp_path / "run"),
                *options,
            ]
        )
        == 0
    )
    assert " ".join(options) in read_results(tmp_path / "run" / "results.json").command


def test_verify_counts_and_its_status_says_whether_something_is_wrong(hearts, tmp_path, capsys):
    status = main(["verify", "acdc", str(hearts)])
    said = capsys.readouterr().out
    assert ("error" in said) == bool(status)
    assert re.search(r"\b25\b", said)


def test_phantom_prints_how_many_meet_the_criteria(tmp_path, capsys):
    assert main(["phantom", "heart", str(tmp_path / "set"), "--size", "tiny", "--subjects", "5"]) == 0
    assert "meets DCM" in capsys.readouterr().out and (tmp_path / "set" / "patient005").is_dir()


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["train", "acdc", "--data", "no/such/folder"], "no such folder"),
        (["train", "acdc", "--data", "HEARTS", "--backbone", "resnet999"], "'resnet999'"),
        (["train", "acdc", "--data", "HEARTS", "--weights", "no/such.h5"], "no such file"),
        (["train", "acdc", "--data", "HEARTS", "--backbone", "mobilenet"], "this version brings"),
        (["phantom", "heart", "HEARTS", "--size", "small"], "another phantom"),
        (["phantom", "heart", "OUT", "--subjects", "7"], "multiple of 5"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(hearts, tmp_path, capsys, arguments, part):
    places = {"HEARTS": str(hearts), "OUT": str(tmp_path / "set")}
    arguments = [places.get(argument, argument) for argument in arguments]
    if arguments[0] == "train":
        arguments += ["--out", str(tmp_path / "run")]
    assert main(arguments) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cardioteach: ")]
    assert len(said) == 1 and part in said[0]


def test_a_class_with_fewer_subjects_than_the_split_needs(tmp_path, capsys):
    few = make(tmp_path / "few", n=5, size="tiny")
    assert main(["train", "acdc", "--data", str(few), "--epochs", "1", "--out", str(tmp_path / "run")]) == 2
    assert "1 subject(s) of class DCM; expected 3 or more" in capsys.readouterr().err


def test_an_interrupted_experiment_is_taken_up_and_another_one_goes_beside(
    hearts, tmp_path, monkeypatch, capsys
):
    command = ["train", "acdc", "--data", str(hearts), "--epochs", "1", "--out", str(tmp_path / "run")]

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(acdc, "study", stop)
        main(command)
    before = (tmp_path / "run" / "by-subject" / "model.keras").stat().st_mtime_ns
    assert main([*command, "--seed", "1"]) == 0 and (tmp_path / "run-2" / "report.html").exists()
    assert main(command) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"run", "run-2"}
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"by-image", "by-subject", "report.html"}
    assert not (tmp_path / "run" / "by-subject-2").exists()
    assert (tmp_path / "run" / "by-subject" / "model.keras").stat().st_mtime_ns == before


def test_wrong_options_are_explained():
    found = subprocess.run([sys.executable, "-m", "cardioteach.cli"], capture_output=True, text=True)
    assert found.returncode == 0  # the module itself does nothing
    for options in (
        ["train", "acdc", "--epochs", "0"],
        ["train", "acdc", "--split", "image"],
        ["demo", "--seed", "-1"],
        ["nonsense"],
    ):
        with pytest.raises(SystemExit) as stop:
            main(options)
        assert stop.value.code == 2
