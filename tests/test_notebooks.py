"Every notebook passes, is clean, equals the exported package, and keeps the habits of the house."

import ast
import base64
import itertools
import re
import shutil
import statistics
import subprocess
import sys

import lessons
import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from lessons import NOTEBOOKS, ROOT

ALL = sorted(NOTEBOOKS.glob("*.ipynb")) + lessons.notebooks()
LIBRARY = [path for path in ALL if path.parent.name == "library"]
LESSONS = [path for path in ALL if path.parent.name == "lessons"]
RUN = """
import sys
from nbdev.config import get_config
from nbdev.test import test_nb
config = get_config()
skip = set(config.tst_flags.split()) - set(sys.argv[2:])
sys.exit(not test_nb(sys.argv[1], skip_flags=sorted(skip), basepath=config.config_path)[0])
"""
EXPORT = """
from nbdev.clean import nbdev_clean
from nbdev.doclinks import nbdev_export
nbdev_export()
nbdev_clean()
"""
PROCESS = """
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs
if __name__ == "__main__":
    refresh_quarto_yml()
    proc_nbs(n_workers=0)
"""


def name(path):
    return path.relative_to(NOTEBOOKS).with_suffix("").as_posix()


each = pytest.mark.parametrize("notebook", ALL, ids=name)


def cells_of(notebook, kind="code"):
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == kind]


def directive(cell, key):
    found = re.search(rf"(?m)^#\| *{key}\b:? *(.*)$", cell.source)
    return found and found[1].strip()


def copy_of_the_source(folder):
    for part in ("nbs", "cardioteach"):
        shutil.copytree(
            ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".*"), symlinks=True
        )
    for file in ("pyproject.toml", "settings.ini", "setup.py", "_quarto.yml"):
        shutil.copy(ROOT / file, folder)


def run_notebook(notebook, *force):
    command = [sys.executable, "-c", RUN, str(notebook), *force]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{name(notebook)} fails:\n{done.stdout[-2000:]}\n{done.stderr[-8000:]}"


@each
def test_every_cell_is_python(notebook):
    "Cells that tests do not run (`#| eval: false`) must compile, too."
    transform = TransformerManager().transform_cell
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            compile(transform(cell.source), str(notebook), "exec")


@each
def test_runs(notebook):
    "In a process of its own, at the small size that IN_TEST asks for."
    run_notebook(notebook)


@pytest.mark.slow
def test_slow_cells_run():
    for path in ALL:
        if any(directive(cell, "slow") is not None for cell in cells_of(path)):
            run_notebook(path, "slow")


def test_cells_left_out(tell):
    "No assertion: says how many cells no test runs."
    for key in ("slow", "notest", "eval: false"):
        found = {name(path): sum(directive(cell, key) is not None for cell in cells_of(path)) for path in ALL}
        if found := {where: count for where, count in found.items() if count}:
            counts = ", ".join(f"{where} {count}" for where, count in found.items())
            tell(f"notebook cells marked '{key}', not run here: {counts}")


def test_export_and_clean_leave_no_difference(tmp_path):
    "On a copy: the package is what the notebooks export, and the notebooks are clean."
    copy_of_the_source(tmp_path)
    done = subprocess.run([sys.executable, "-c", EXPORT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]

    def contents(root):
        files = [*(root / "nbs").rglob("*.ipynb"), *(root / "cardioteach").rglob("*.py")]
        return {
            file.relative_to(root).as_posix(): file.read_bytes() for file in files if "/." not in str(file)
        }

    ours, again = contents(ROOT), contents(tmp_path)
    changed = sorted(file for file in ours.keys() | again.keys() if ours.get(file) != again.get(file))
    assert not changed, f"run `make export`; these differ from what the notebooks give: {changed}"


@each
def test_no_merge_markers(notebook):
    assert not re.search(r'(?m)^\s*"?(<{7}|={7}|>{7})', notebook.read_text(encoding="utf-8"))


@each
def test_size(notebook):
    assert notebook.stat().st_size < 1_000_000
    for cell in cells_of(notebook):
        for output in cell.outputs:
            picture = base64.b64decode(output.get("data", {}).get("image/png", ""))
            assert len(picture) <= 100_000, f"a stored figure of {len(picture)} bytes in\n{cell.source[:200]}"


@each
def test_nothing_of_one_machine(notebook):
    "No folder of the author's machine, no log of a package installer, no widget without its state."
    text = notebook.read_text(encoding="utf-8")
    text = re.sub(r'"image/png": "[^"]*"', "", text)
    assert not re.findall(r"[^\w.](/(?:home|root|Users|tmp|work|private|mnt)/[^ \"]*|[A-Z]:\\\\+Users)", text)
    assert not re.findall(r"Looking in (?:indexes|links)|index-url|find-links|\S+\.whl\b", text)
    assert not any(
        lessons.WIDGET in output.get("data", {}) for cell in cells_of(notebook) for output in cell.outputs
    )


@each
def test_figures_are_described(notebook):
    for cell in cells_of(notebook):
        draws = any("image/png" in output.get("data", {}) for output in cell.outputs)
        if draws or directive(cell, "label") or directive(cell, "fig-cap"):
            for key in ("label", "fig-cap", "fig-alt"):
                assert directive(cell, key), f"no `#| {key}:` in\n{cell.source[:300]}"


@each
def test_no_error_is_stored(notebook):
    errors = [
        output for cell in cells_of(notebook) for output in cell.outputs if output.output_type == "error"
    ]
    assert not errors


@each
def test_has_title_and_subtitle(notebook):
    first = cells_of(notebook, "markdown")[0].source
    assert re.match(r"(?s)(---\n.*?\n---\n+)?# \S[^\n]*\n\n> \S", first), f"starts with {first[:80]!r}"


@each
def test_controls_work_by_keyboard(notebook):
    "JupyterLab takes the arrow keys away from drop-down lists and goes to the next cell: sliders and buttons keep them."
    used = [cell.source for cell in cells_of(notebook) if re.search(r"\b(Dropdown|Select)\(", cell.source)]
    assert not used, f"use SelectionSlider or ToggleButtons in\n{used[0][:300]}"


@pytest.mark.parametrize("notebook", [path for path in LESSONS if path.stem < "03"], ids=name)
def test_a_picture_comes_before_keras(notebook):
    "Nobody waits for TensorFlow before the first figure of a first lesson."
    sources = itertools.takewhile(
        lambda source: "#| label" not in source, (cell.source for cell in cells_of(notebook))
    )
    imports = [
        source
        for source in sources
        if re.search(r"(?m)^(import|from) ", source) and "eval: false" not in source
    ]
    code = "\n".join([*imports, "import sys", "print({'keras', 'tensorflow'} & sys.modules.keys())"])
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert imports and done.stdout.splitlines()[-1:] == ["set()"], done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize("notebook", LIBRARY, ids=name)
def test_exports_one_module(notebook):
    targets = [found for cell in cells_of(notebook) if (found := directive(cell, "default_exp"))]
    assert len(targets) == 1 and targets[0].split(".")[-1] in notebook.stem


@each
def test_imports_stand_alone(notebook):
    "Docs processing executes any cell that contains an import: nothing slow may stand in it."
    for cell in cells_of(notebook):
        source = re.sub(r"(?m)^(\s*)[%!].*", r"\1pass", cell.source)
        body = ast.parse(source).body if directive(cell, "eval") != "false" else []
        other = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
        harmless = all(ast.unparse(node).startswith("os.environ") for node in other)
        assert len(other) == len(body) or harmless, (
            f"imports and other code in one cell:\n{cell.source[:300]}"
        )


def test_cells_are_short(tell):
    lengths, asserting = {}, 0
    for path in ALL:
        for number, cell in enumerate(cells_of(path)):
            code = [line for line in cell.source.splitlines() if line.strip() and not line.startswith("#|")]
            if code:
                lengths[name(path), number] = len(code)
                asserting += bool(re.search(r"(?m)^\s*(assert|test_\w+\()", cell.source))
    tell(
        f"{len(ALL)} notebooks, {len(lengths)} code cells, median {statistics.median(lengths.values()):g} lines, "
        f"longest {max(lengths.values())}, {asserting / len(lengths):.0%} assert something"
    )
    assert not {where: length for where, length in lengths.items() if length > 40}


def test_lint_and_format():
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, f"ruff {' '.join(command)}: run `make export`\n{done.stdout[-4000:]}"


def test_what_makes_stored_outputs_stale(tmp_path):
    def meaning(text):
        file = tmp_path / f"{abs(hash(text))}.py"
        file.write_text(text)
        return lessons.meaning(file)

    code = "import re\nfrom json import loads, dumps\n\nSIZE = 3\n\n\ndef f():\n    import os, sys\n    return SIZE\n"
    said = code.replace("SIZE = 3", "SIZE = (\n    3  # millimetres\n)")
    sorted_anew = "from json import loads, dumps\nimport re\n" + code.partition("dumps\n")[2]
    assert meaning(code) == meaning(said) == meaning(sorted_anew)
    for before, after in (
        ("= 3", "= 4"),
        ("json", "pickle"),
        ("return SIZE", "return -SIZE"),
        ("os, sys", "os"),
    ):
        assert meaning(code.replace(before, after)) != meaning(code), before


@pytest.mark.parametrize("notebook", LESSONS, ids=name)
def test_stored_outputs_are_of_this_code(notebook):
    expected = lessons.stored().get(notebook.stem)
    assert expected == lessons.code_hash(notebook), f"run `make lessons ONLY={notebook.stem}`"


def test_documentation_can_be_processed(tmp_path):
    "What nbdev-docs does before Quarto: import cells are run, `show_doc` is filled in, captions and alt texts stay."
    copy_of_the_source(tmp_path)
    done = subprocess.run([sys.executable, "-c", PROCESS], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for notebook in ALL:
        page = tmp_path / "_proc" / notebook.relative_to(NOTEBOOKS)
        assert page.exists(), f"{name(notebook)} is left out of the site"
        for key in ("fig-cap", "fig-alt"):
            texts = [found for cell in cells_of(notebook) if (found := directive(cell, key))]
            assert texts == [found for cell in cells_of(page) if (found := directive(cell, key))], name(
                notebook
            )
