"Lesson 05 from a shell and interrupted: what its notebook cannot show well."

import json

import numpy as np
import pandas as pd
import pytest

from cardioteach import alzheimer, cli
from cardioteach.claims import read_results
from cardioteach.cohort import Cohort, InputError
from cardioteach.data.alzheimer import CLASSES, link_tests, load, numbering, persons_from_pixels
from cardioteach.phantom import atrophy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return atrophy.make(tmp_path_factory.mktemp("brains") / "set", subjects=14, seed=1)


@pytest.fixture(scope="module")
def cohort(folder):
    return load(folder, size=32)


def test_both_routes_find_the_drawn_persons(folder):
    from sklearn.metrics import adjusted_rand_score

    cohort = load(folder)
    truth = atrophy.truth(14, seed=1).set_index("file")
    file = ["/".join(name.split("/")[-2:]) for name in cohort.table.file]
    assert adjusted_rand_score(truth.person.loc[file], cohort.subjects) == 1
    assert cohort.table.certain.all()  # the pixels alone give the same persons


def test_the_tempting_rule_cuts_185_of_200_people():
    "Needs no picture: the order of the files of 100, 70, 28 and 2 people says it."
    label = np.repeat(range(4), [3200, 2240, 896, 64])
    person = np.concatenate([numbering(people)[:, 0] for people in (100, 70, 28, 2)])
    subject = [f"{y}-{p}" for y, p in zip(label, person, strict=True)]
    true = Cohort(pd.DataFrame({"subject": subject, "label": label}), CLASSES, subject_source="inferred")
    held = pd.crosstab(true.subjects, alzheimer.tempting_rule(true)).to_numpy()
    assert held.shape == (200, 200) and ((held > 0).sum(axis=1) > 1).sum() == 185
    assert 6400 - held.max(axis=1).sum() == 1248


def test_a_trained_network_is_taken_up_and_never_trained_again(cohort, tmp_path, monkeypatch):
    methods = alzheimer.network("small", lambda seed: alzheimer.resnet1d(0.25, 32, seed=seed), 1)
    first = alzheimer.measured_by(methods, cohort, tmp_path)
    assert [found.setting["split"] for found in first] == ["by image (leaky)", "by subject"]
    optimizer = json.loads((tmp_path / "by-subject" / "settings.json").read_text())["optimizer"]
    assert optimizer["class_name"] == "SGD" and optimizer["config"]["momentum"] == 0.9
    monkeypatch.setattr(alzheimer, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = alzheimer.measured_by(methods, cohort, tmp_path)
    np.testing.assert_allclose([r.value for r in again], [r.value for r in first])


def test_the_same_run_from_a_shell(folder, tmp_path, capsys):
    assert cli.main(["verify", "alzheimer", str(folder)]) == 0
    assert cli.main(["train", "alzheimer", "--data", str(folder), "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "dark share" in said and "not for clinical use" in said
    label = read_results(tmp_path / "run" / "results.json")
    assert label.command.startswith(
        "cardioteach train alzheimer --data ALZHEIMER --model transfer --backbone tiny"
    )
    page = (tmp_path / "run" / "report.html").read_text()
    assert "seed 0" in page and "Claims of the paper" in page and "contradicted" in page


def test_options_that_do_not_fit_are_refused(folder, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "alzheimer", "--model", "resnet18"])
    assert (
        cli.main(["train", "alzheimer", "--data", str(folder), "--model", "resnet1d", "--width", "0.1"]) == 2
    )
    assert "0.25 trains on a laptop" in capsys.readouterr().err
    assert cli.main(["train", "alzheimer", "--data", str(folder), "--width", "0.5"]) == 2
    assert "--width: found given with --model transfer" in capsys.readouterr().err


def test_the_official_test_part_by_arithmetic():
    test = [int(np.argmax(numbering(people)[:, 1] == 1)) for people in (100, 70, 28, 2)]
    assert test == [640, 448, 179, 12]  # as the older release counts them
    assert [32 * people - n for people, n in zip((100, 70, 28, 2), test, strict=True)] == [
        2560,
        1792,
        717,
        52,
    ]


@pytest.mark.parametrize("width", [0, 0.1, 9])
def test_widths_that_cannot_be(width):
    with pytest.raises(InputError, match="0.25 to 4"):
        alzheimer.resnet1d(width)


@pytest.mark.slow
def test_the_phantom_at_full_size(tmp_path):
    from sklearn.metrics import adjusted_rand_score

    cohort = load(atrophy.make(tmp_path / "set"))
    truth = (
        atrophy.truth().set_index("file").person.loc[["/".join(f.split("/")[-2:]) for f in cohort.table.file]]
    )
    assert len(cohort) == 6400 and adjusted_rand_score(truth, cohort.subjects) == 1
    assert adjusted_rand_score(truth, persons_from_pixels(cohort.images, cohort.labels)) > 0.99
    assert (link_tests(cohort).margin > 0).all()
