"The audit room: no false alarm on any true report, every inconsistent one found, and the command without Keras."

import itertools
import subprocess
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import classification_report

from cardioteach import cli
from cardioteach.audit import (
    COLUMNS,
    audit_report,
    can_be,
    confusion_bounds,
    counts_of,
    read_report,
    recovered,
    row_solutions,
    true_counts,
)
from cardioteach.claims import LEDGER, PAPERS, VERDICTS, as_printed, read_ledger, write_ledger
from cardioteach.cli import main

CONFUSIONS = st.integers(2, 5).flatmap(
    lambda k: arrays(int, (k, k), elements=st.integers(0, 60) | st.integers(0, 2000))
)


def printed(confusion: np.ndarray, digits: int = 2, exchanged: bool = False, empty=0, shown=None) -> str:
    "What scikit-learn prints of a confusion matrix (truth, predicted), of all classes or of the first few."
    names = [f"class {number}" for number in range(shown or len(confusion))]
    truth, predicted = (np.repeat(index.ravel(), confusion.ravel()) for index in np.indices(confusion.shape))
    pair = (predicted, truth) if exchanged else (truth, predicted)
    return classification_report(
        *pair, labels=range(len(names)), target_names=names, digits=digits, zero_division=empty
    )


@settings(max_examples=80, deadline=None)
@given(
    CONFUSIONS.filter(lambda counts: counts.sum() > 0),
    st.integers(2, 4),
    st.sampled_from([0, 0, 1, np.nan]),
    st.integers(0, 1),
)
def test_no_report_of_a_confusion_matrix_raises_an_alarm(confusion, digits, empty, hidden):
    "Whatever is printed for 0 of 0, and also where the last class is not listed."
    report = read_report(printed(confusion, digits, empty=empty, shown=len(confusion) - hidden))
    assert [f for f in audit_report(report) if f.level == "contradiction"] == []
    assert can_be(report) is not False


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 300), st.integers(0, 10**6), st.sampled_from([0, 1, np.nan]))
def test_no_report_of_several_labels_an_image_raises_an_alarm(classes, n, seed, empty):
    random = np.random.default_rng(seed)
    truth = random.random((n, classes + 1)) < random.uniform(0.05, 0.6, classes + 1)
    predicted = np.where(random.random(truth.shape) < 0.8, truth, ~truth)
    report = read_report(classification_report(truth, predicted, zero_division=empty))
    assert [f for f in audit_report(report) if f.level == "contradiction"] == []


def test_tables_that_are_no_report_of_classes_raise_no_alarm():
    "Models a row, other averages, decimal commas, weighted images, and parts of a report."
    tables = {
        "models": "ResNet 0.667 0.766 0.680\nVGG 0.70 0.71 0.72",
        "average": "ill 0.80 0.67 0.73 12\nwell 0.86 0.92 0.89 26\nAverage 0.83 0.80 0.81 38",
        "accuracy": "ill 0.80 0.67 0.73 12\nwell 0.86 0.92 0.89 26\nbalanced accuracy 0.79 38",
        "commas": "ill 0,800 0,667 0,727 12\nwell 0,857 0,923 0,889 26\naccuracy 0,842 38",
        "weighted": "ill 0.80 0.67 0.73 12.5\nwell 0.86 0.92 0.89 26.25\naccuracy 0.84 38.75",
        "one row": "ill 0.80 0.67 0.73 12",
        "two of five": "a 0.80 0.67 0.73 12\nb 0.86 0.92 0.89 26\naccuracy 0.84 100\nmacro avg 0.50 0.50 0.50 100",
    }
    for name, text in tables.items():
        levels = {finding.level for finding in audit_report(read_report(text))}
        assert "contradiction" not in levels, name


@settings(max_examples=40, deadline=None)
@given(arrays(int, (3, 3), elements=st.integers(0, 40)).filter(lambda c: c.sum() > 0), st.integers(2, 4))
def test_what_is_recovered_holds_the_truth(confusion, digits):
    report = read_report(printed(confusion, digits))
    found, (least, most) = recovered(report), confusion_bounds(report)
    right, predicted = np.diag(confusion), confusion.sum(axis=0)
    assert (found["right, least"] <= right).all() and (right <= found["right, most"]).all()
    assert (found["predicted, least"] <= predicted).all() and (predicted <= found["predicted, most"]).all()
    assert (least.to_numpy() <= confusion).all() and (confusion <= most.to_numpy()).all()


@settings(max_examples=30, deadline=None)
@given(arrays(int, (3, 3), elements=st.integers(1, 60)), arrays(int, (3, 3), elements=st.integers(0, 60)))
def test_true_counts_of_exchanged_reports_hold_the_truth(first, second):
    "Two methods on the same test images: the second confusion matrix gets the class totals of the first."
    for row, total in enumerate(first.sum(axis=1)):
        ends = np.floor(np.cumsum(second[row]) * total / max(second[row].sum(), 1)).astype(int)
        second[row] = np.diff(ends, prepend=0)
        second[row, row] += total - second[row].sum()
    reports = [read_report(printed(confusion, exchanged=True)) for confusion in (first, second)]
    found, truth = true_counts(*reports), first.sum(axis=1)
    assert (found.least <= truth).all() and (truth <= found.most).all()


@cache
def everything(classes: int, total: int) -> dict[str, np.ndarray]:
    "All confusion matrices of so many images, and the numbers that a report prints of each."
    cells = classes * classes
    bars = np.array(list(itertools.combinations(range(total + cells - 1), cells - 1)))
    edges = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), total + cells - 1)])
    counts = (np.diff(edges, axis=1) - 1).reshape(-1, classes, classes)
    right, support, predicted = (
        np.diagonal(counts, axis1=1, axis2=2),
        counts.sum(axis=2),
        counts.sum(axis=1),
    )
    shares = {
        "precision": right / np.maximum(predicted, 1),
        "recall": right / np.maximum(support, 1),
        "F1": 2 * right / np.maximum(support + predicted, 1),
    }
    averages = {
        column: np.stack([share.mean(axis=1), (share * support).sum(axis=1) / total], axis=1)
        for column, share in shares.items()
    }
    return shares | {
        "support": support,
        "accuracy": right.sum(axis=1) / total,
        **{f"avg {c}": a for c, a in averages.items()},
    }


def by_trying(report: pd.DataFrame, classes: int, total: int) -> bool:
    "Whether any confusion matrix at all is printed as this report; the last digit may be rounded either way."
    every = everything(classes, total)
    fits = (every["support"] == report.support[:classes].astype(float).to_numpy()).all(axis=1)

    def near(text, values):
        cell = as_printed(text)
        return (values >= cell.low - 1e-7) & (values <= cell.high + 1e-7)

    for column in COLUMNS[:3]:
        for number in range(classes):
            fits &= near(report[column].iloc[number], every[column][:, number])
        for number, row in enumerate(("macro avg", "weighted avg")):
            fits &= near(report.loc[row, column], every[f"avg {column}"][:, number])
    return bool((fits & near(report.loc["accuracy", "F1"], every["accuracy"])).any())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_report_that_no_confusion_matrix_gives_is_found(data):
    "One or two numbers of a true report are changed; trying all confusion matrices says whether that can be."
    classes, total = data.draw(st.sampled_from([(2, 9), (2, 14), (3, 6)]))
    confusions = st.lists(
        st.integers(0, classes * classes - 1), min_size=total, max_size=total
    )  # where each image falls
    counts = np.bincount(data.draw(confusions), minlength=classes * classes).reshape(classes, classes)
    report = read_report(printed(counts))
    cells = [(row, column) for row in report.index for column in COLUMNS[:3] if report.loc[row, column]]
    for row, column in data.draw(st.lists(st.sampled_from(cells), min_size=1, max_size=2)):
        report.loc[row, column] = f"{data.draw(st.integers(0, 99)) / 100:.2f}"  # 1.00 may stand for 0 of 0
    possible = by_trying(report, classes, total)
    assert can_be(report) is possible
    alarm = any(finding.level == "contradiction" for finding in audit_report(report))
    assert possible or alarm or any("rounded numbers" in finding.says for finding in audit_report(report))
    assert not (possible and alarm)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(1, 400), st.integers(0, 3))
def test_a_count_is_among_the_counts_of_its_printed_share(right, n, digits):
    right = min(right, n)
    assert right in counts_of(f"{right / n:.{digits}f}", n)
    assert right in counts_of(f"{100 * right / n:.{digits}f} %", n)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 80), st.integers(0, 200), st.integers(2, 5))
def test_the_pair_behind_a_row_is_among_its_solutions(right, missed, wrong, others, digits):
    support, predicted = right + missed, right + wrong
    shares = right / max(predicted, 1), right / max(support, 1), 2 * right / max(support + predicted, 1)
    texts = [f"{share:.{digits}f}" for share in shares]
    total = support + wrong + others
    assert [right, predicted] in row_solutions(*texts, support, total).tolist()


def test_a_report_of_a_large_test_set_is_judged_by_ranges():
    rng = np.random.default_rng(0)
    report = read_report(printed(rng.integers(0, 40_000, (4, 4))))
    assert can_be(report) is None
    assert {finding.level for finding in audit_report(report)} == {"doubt", "follows"}
    report.loc["macro avg", "recall"] = "0.99"
    assert audit_report(report)[0].where in ("macro avg", "together") and can_be(report) is False


def test_recovered_counts_of_a_large_report_hold_the_truth():
    "The solver must not stop before the very end of a range."
    confusion = np.random.default_rng(3).integers(2_000, 30_000, (4, 4))
    found = recovered(read_report(printed(confusion, digits=4)))
    right, predicted = np.diag(confusion), confusion.sum(axis=0)
    assert (found["right, least"] <= right).all() and (right <= found["right, most"]).all()
    assert (found["predicted, least"] <= predicted).all() and (predicted <= found["predicted, most"]).all()


def test_the_command_prints_the_ledger_without_keras():
    code = "import sys; from cardioteach.cli import main; main(['audit']); print('keras' in sys.modules, 'scipy' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "False False"
    assert all(title in shown for title in PAPERS.values()) and "Not for clinical use" in shown


def test_the_ledger_can_be_filtered(capsys):
    assert cli._PAPERS == tuple(PAPERS)
    assert main(["audit", "--paper", "acdc_resnet50v2", "--verdict", "contradicted", "--cells"]) == 0
    shown = capsys.readouterr().out
    assert "Table 2, HCM, recall" in shown and "NOT TESTED" not in shown and "alzheimer" not in shown
    assert main(["audit", "--paper", "lancet"]) == 2 and main(["audit", "--verdict", "lies"]) == 2
    said = capsys.readouterr().err
    assert "acdc_resnet50v2" in said and "not reproducible as stated" in said


def test_reports_and_tables_are_checked_from_files(tmp_path, capsys):
    confusion = np.array([[20, 4], [3, 30]])
    (tmp_path / "right.txt").write_text(printed(confusion))
    (tmp_path / "turned.txt").write_text(printed(confusion, exchanged=True))
    assert main(["audit", "report", str(tmp_path / "right.txt")]) == 0
    assert "20 right of 24, 23 predicted" in capsys.readouterr().out
    assert main(["audit", "report", str(tmp_path / "right.txt"), str(tmp_path / "turned.txt")]) == 1
    assert "counted differently" in capsys.readouterr().out
    (tmp_path / "table.csv").write_text("class,precision,recall,f1,support\nill,0.87,0.83,0.95,24\n")
    assert main(["audit", "table", str(tmp_path / "table.csv")]) == 1
    assert "no whole numbers of 24 images" in capsys.readouterr().out
    assert main(["audit", "report", str(tmp_path / "nowhere.txt")]) == 2
    assert main(["audit", "table", str(tmp_path / "nowhere.csv")]) == 2


def test_the_ledger_is_what_the_rooms_compute(tmp_path):
    "`make ledger` would change nothing."
    from tools.ledger import verdicts

    write_ledger(tmp_path / "ledger.csv", verdicts())
    assert (tmp_path / "ledger.csv").read_text() == LEDGER.read_text(), "make ledger"


@pytest.mark.parametrize("paper", PAPERS)
def test_every_entry_of_the_ledger_says_where_and_why(paper):
    entries = read_ledger(paper)
    assert len(entries) > 20
    for entry in entries:
        assert entry.claim.place and entry.claim.says and entry.because and entry.verdict in VERDICTS
        if entry.verdict == "reproduced":
            assert entry.ours is not None and entry.source
