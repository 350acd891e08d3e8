"Exercises, their tables and quizzes are complete and tell nothing; slow: each grades as it should, and cheating does not pay."

import ast
import copy
import csv
import json
import os
import re
import subprocess

import nbformat
import pytest
from lessons import NOTEBOOKS, ROOT
from nbformat.v4 import new_code_cell

from cardioteach import classroom
from cardioteach.classroom import fill_in, graded_cells, read_notebook, release, release_path
from cardioteach.cli import main
from cardioteach.data.alzheimer import numbering

EXERCISES = ROOT / "exercises"
NAMES = sorted(path.stem for path in EXERCISES.glob("source/*/*.ipynb"))
LESSONS = sorted(path.stem for path in (NOTEBOOKS / "lessons").glob("*.ipynb"))
COLUMNS = ["objective", "section", "exercise", "misconception", "hidden_test", "question", "answer"]
each = pytest.mark.parametrize("name", NAMES)
each_lesson = pytest.mark.parametrize("name", LESSONS)


def source_path(name):
    return EXERCISES / "source" / name / f"{name}.ipynb"


def parts(name):
    "Names of the exercises of a notebook -> names of their tests."
    cells = graded_cells(read_notebook(source_path(name)))
    answers = [key for key, cell in cells.items() if cell.metadata.nbgrader.solution]
    tests = [key for key, cell in cells.items() if cell.metadata.nbgrader.grade]
    return {answer: [test for test in tests if test.startswith(f"{answer}-")] for answer in answers}


def between(cells, what):
    "The lines between the marks of solutions or hidden tests."
    text = "\n".join(cell.source for cell in cells)
    blocks = re.findall(rf"(?s)### BEGIN {what}\n(.*?)### END {what}", text)
    return [line.strip() for line in "\n".join(blocks).splitlines() if line.strip()]


def markdown(name):
    cells = read_notebook(NOTEBOOKS / "lessons" / f"{name}.ipynb").cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@each_lesson
def test_every_lesson_has_exercises_and_a_quiz_and_shows_them(name):
    assert name in NAMES, "no exercises"
    link = f"cardioteach/cardioteach/blob/main/{release_path(source_path(name)).relative_to(ROOT).as_posix()}"
    assert f"https://colab.research.google.com/github/{link}" in markdown(name)
    cells = read_notebook(NOTEBOOKS / "lessons" / f"{name}.ipynb").cells
    assert any(f'quiz("{name}")' in cell.source for cell in cells if cell.cell_type == "code")
    (EXERCISES / "wrong" / f"{name}.py").read_text(encoding="utf-8")


@each
def test_release_is_up_to_date_and_tells_nothing(name):
    source, path = source_path(name), release_path(source_path(name))
    assert path.read_text(encoding="utf-8") == classroom.release_text(source), "run `make exercises`"
    released = read_notebook(path)
    assert not classroom.leaks(released)
    cells = [cell for cell in read_notebook(source).cells if cell.cell_type == "code"]
    text = "\n".join(cell.source for cell in released.cells if cell.cell_type == "code")
    secret = between(cells, "SOLUTION") + between(cells, "HIDDEN TESTS")
    shown = "\n".join(re.sub(r"(?s)### BEGIN (\w+).*?### END \1", "", cell.source) for cell in cells)
    assert not [line for line in secret if len(line) > 25 and line in text and line not in shown]
    assert not any("solution" in key for cell in released.cells for key in cell.metadata)


@each
def test_exercises_are_complete(name):
    notebook, exercises = read_notebook(source_path(name)), parts(name)
    assert len(exercises) >= 3
    for exercise, tests in exercises.items():
        assert f"{exercise}-visible" in tests and any("-hidden-" in test for test in tests), exercise
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader")
        assert not cell.get("outputs"), "sources are stored without outputs"
        if about:
            kind = "exercise" if about.solution else "test"
            assert cell.source.startswith(f"# {kind}: {about.grade_id}\n")
            assert about.solution or bool("-hidden-" in about.grade_id) == (
                "### BEGIN HIDDEN TESTS" in cell.source
            )
            assert not about.solution or "### BEGIN SOLUTION" in cell.source
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.count("<summary>Hint") >= len(exercises) and text.count("<details>") == text.count(
        "</details>"
    )


@each
def test_every_check_says_what_is_wrong(name):
    for key, cell in graded_cells(read_notebook(source_path(name))).items():
        checks = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Assert)]
        if key.endswith("-visible"):
            assert checks and all(check.msg for check in checks), key
        last = ast.parse(cell.source).body[-1]
        assert not isinstance(last, ast.Expr) or isinstance(last.value, ast.Constant | ast.Call), (
            f"{key} ends in a value: nbgrader takes it for points"
        )


@each_lesson
def test_objectives_lead_to_exercises(name):
    with open(EXERCISES / "source" / name / "objectives.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 and list(rows[0]) == COLUMNS
    assert all(row[column].strip() for row in rows for column in COLUMNS)
    text, exercises = markdown(name), parts(name)
    listed = re.search(r"(?s)After this lesson you can.*?\n\n((?:\d\..*?\n)+(?:\d\.[^\n]*|))", text)[1]
    objectives = [re.sub(r"\s+", " ", line).strip(" .,;") for line in re.split(r"(?m)^\d\. ", listed)[1:]]
    assert [row["objective"].strip(" .,;") for row in rows] == objectives
    headings = re.findall(r"(?m)^#+ (.+?) *$", text)
    assert not {row["section"] for row in rows} - set(headings)
    practised = [row["exercise"].split() for row in rows]  # one, or several with blanks between
    assert set(sum(practised, [])) == set(exercises), "each exercise practises an objective"
    for row, names in zip(rows, practised, strict=True):
        assert any(row["hidden_test"] in exercises[name] for name in names), row["hidden_test"]


@pytest.mark.parametrize("path", sorted(classroom.QUIZZES.glob("*.json")), ids=lambda path: path.stem)
def test_quizzes_are_usable(path, monkeypatch):
    questions = classroom.read_quiz(path.stem)
    assert not classroom.quiz_problems(questions)
    right = [[answer["correct"] for answer in question["answers"]].index(True) for question in questions]
    assert len(set(right)) > 1, "the right answer always stands in the same place"
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setattr("jupyterquiz.dynamic.display.display", shown.append)
    classroom.quiz(path.stem)
    assert len(shown) == 3 and len(json.dumps([part.data for part in shown])) < 60_000
    again = [part.data for part in shown]
    shown.clear()
    classroom.quiz(path.stem)
    assert again == [part.data for part in shown], "the stored output would change at every run"


@pytest.mark.parametrize("people", [2, 28, 70, 100])
def test_the_alzheimer_exercises_copy_the_order_of_the_reader(people):
    cells = read_notebook(source_path("05_alzheimer")).cells
    helpers, names = next(cell.source for cell in cells if "def order(" in cell.source), {}
    exec(helpers, names)
    assert names["order"](people) == numbering(people)[:, 0].tolist()


def test_what_grading_leaves_is_ignored_by_git():
    files = ["submitted/anna/x", "autograded/anna/x", "feedback/anna/x", "gradebook.db", "grades.csv"]
    files = [f"exercises/{file}" for file in files] + ["grades.csv"]
    done = subprocess.run(["git", "check-ignore", *files], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 128:
        pytest.skip("not a git clone")
    assert done.stdout.split() == files


def test_wrong_arguments_are_one_line_each(tmp_path, capsys):
    notebook = str(source_path(NAMES[0]))
    for arguments in (
        ["no/such.ipynb", str(tmp_path)],
        [notebook, str(tmp_path)],
        [notebook, "no/such/folder"],
    ):
        assert main(["grade", *arguments, "--out", str(tmp_path / "grades.csv")]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "grades.csv").exists()


# Slow: gradings, about 6 s each


@pytest.mark.slow
@each
def test_proof(name):
    findings = classroom.prove(source_path(name))
    assert (findings.level == "ok").all(), findings.to_string()


ALWAYS = """
class Always:
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = lambda *_: True
    __ne__ = lambda *_: False
    __hash__ = lambda self: 0
"""


@pytest.mark.slow
@each
def test_an_object_equal_to_everything_earns_nothing(name):
    source, answers = read_notebook(source_path(name)), {}
    for exercise in parts(name):
        body = ast.parse(graded_cells(source)[exercise].source).body
        names = [node.name for node in body if isinstance(node, ast.FunctionDef)]
        values = [target.id for node in body if isinstance(node, ast.Assign) for target in node.targets]
        lines = [f"def {each}(*_, **__): return Always()" for each in names]
        answers[exercise] = ALWAYS + "\n".join(lines + [f"{each} = Always()" for each in values])
    earned, _ = classroom._grade_one(source, fill_in(release(source), answers), 30, 4)
    assert not any(earned.values()), earned


def solutions(source):
    "Name of an exercise -> its right answer."
    cells = graded_cells(source).items()
    return {key: cell.source.partition("\n")[2] for key, cell in cells if cell.metadata.nbgrader.solution}


@pytest.fixture(scope="module")
def controls():
    "The ACDC exercises, their student's copy and the right answers."
    source = read_notebook(source_path("06_acdc"))
    return source, release(source), solutions(source)


@pytest.fixture(scope="module")
def graded(controls, tmp_path_factory):
    "A class with all that can go wrong, graded in one go: its table."
    (_, released, right), folder = controls, tmp_path_factory.mktemp("class")
    solved = fill_in(released, right)
    stripped, edited = copy.deepcopy(solved), copy.deepcopy(released)
    for cell in stripped.cells:
        cell.metadata = {}
    for key, cell in graded_cells(edited).items():
        cell.source = f"# test: {key}\npass" if cell.metadata.nbgrader.grade else cell.source
    loop = "def share_known(table):\n    while True:\n        pass"
    memory = "def share_known(table):\n    return float(np.ones(10**10).sum())"
    tried = {
        "stripped": stripped,
        "edited": edited,
        "endless": fill_in(released, right | {"06-leak": loop}),
        "memory": fill_in(released, right | {"06-leak": memory}),
        "leaves": fill_in(released, right | {"06-leak": "import os\nos._exit(0)"}),
    }
    for key, notebook in tried.items():
        (folder / key).mkdir()
        nbformat.write(notebook, folder / key / "06_acdc.ipynb")
    before = set(EXERCISES.rglob("*"))
    table = classroom.grade(source_path("06_acdc"), folder, seconds=3)
    assert set(EXERCISES.rglob("*")) == before, "grading left something behind"
    return table.rename(lambda key: key.partition("/")[0])


@pytest.mark.slow
def test_lost_metadata_are_repaired(graded):
    assert graded.total["stripped"] == graded.of["stripped"]
    assert re.search(r"metadata restored: .*06-leak,", graded.remarks["stripped"])


@pytest.mark.slow
def test_without_repair_lost_metadata_would_be_zero_points(controls, tmp_path, monkeypatch):
    "The reason for the repair: if this fails, nbgrader has learned to do it."
    source, released, right = controls
    stripped = fill_in(released, right)
    for cell in stripped.cells:
        cell.metadata = {}
    monkeypatch.setattr(classroom, "repair", lambda submission, _: (submission, []))
    earned, _ = classroom._grade_one(source, stripped, 30, 4)
    assert not any(earned.values())


@pytest.mark.slow
def test_edited_tests_are_replaced(graded):
    assert graded.total["edited"] == 0
    assert re.search(r"test edited, .*06-leak-visible,", graded.remarks["edited"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["endless", "memory"])
def test_what_takes_too_much_costs_only_its_own_points(graded, name):
    columns = [column for column in graded if column.startswith("06-leak-")]
    assert columns and not graded.loc[name, columns].any()
    assert graded.total[name] == graded.of[name] - 4
    assert name == "memory" or "06-leak-visible: took too long" in graded.remarks[name]


@pytest.mark.slow
def test_a_dead_kernel_is_said_and_costs_the_others_nothing(graded):
    assert graded.total.isna().to_dict() == {key: key == "leaves" for key in graded.index}
    assert "not graded: found the kernel died" in graded.remarks["leaves"]


@pytest.mark.slow
def test_a_broken_solution_fails_the_proof_and_stops_grading(controls, tmp_path):
    source, _, _ = controls
    broken = copy.deepcopy(source)
    cell = graded_cells(broken)["06-leak"]
    cell.source = cell.source.replace('!= "test"', '== "train"')
    assert cell.source != graded_cells(source)["06-leak"].source
    nbformat.write(broken, tmp_path / "06_acdc.ipynb")
    with pytest.raises(classroom.InputError, match="06-leak-hidden-validation"):
        classroom.grade(tmp_path / "06_acdc.ipynb", tmp_path)


@pytest.mark.slow
@each
def test_a_student_needs_no_nbgrader(name, tmp_path):
    "The right answers in the student's copy pass all visible tests where nbgrader cannot be imported."
    from nbclient import NotebookClient

    (tmp_path / "nbgrader.py").write_text("raise ImportError('a student has no nbgrader')")
    solved = fill_in(
        read_notebook(release_path(source_path(name))), solutions(read_notebook(source_path(name)))
    )
    check = "try:\n    import nbgrader\nexcept ImportError:\n    pass\nelse:\n    raise AssertionError('nbgrader is there')"
    solved.cells.append(new_code_cell(check))
    client = NotebookClient(
        solved, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute(env=os.environ | {"PYTHONPATH": str(tmp_path)})
