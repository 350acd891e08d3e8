"The outside of the repository: files, links, site, and the scripts that set it up."

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from lessons import NOTEBOOKS, ROOT, notebooks

SITE = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPOSITORY = "github.com/cardioteach/cardioteach"


def sidebar(entries):
    "The paths in a sidebar, depth first."
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            yield from filter(None, [entry.get("href") or entry.get("file")])
            yield from sidebar(entry.get("contents", []))


def tracked():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git clone: the list of files is unknown")
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def test_site_configuration_is_a_link():
    "nbdev reads nbs/_quarto.yml alone, and would write one of its own."
    assert (NOTEBOOKS / "_quarto.yml").is_symlink()
    assert os.readlink(NOTEBOOKS / "_quarto.yml") == "../_quarto.yml"
    assert "nbdev.yml" in SITE["metadata-files"]


def test_sidebar_lists_every_notebook():
    listed = list(sidebar(SITE["website"]["sidebar"]["contents"]))
    assert len(listed) == len(set(listed))
    there = {path.relative_to(NOTEBOOKS).as_posix() for path in [NOTEBOOKS / "index.ipynb", *notebooks()]}
    assert there == set(listed), (
        f"only in nbs {there - set(listed)}, only in the sidebar {set(listed) - there}"
    )


def test_site_has_search_both_themes_and_links():
    assert SITE["website"]["search"]
    themes = SITE["format"]["html"]["theme"]
    assert set(themes) == {"light", "dark"}
    files = [part for theme in themes.values() for part in theme if part.endswith(".scss")]
    assert files and all((NOTEBOOKS / file).exists() for file in files)
    text = yaml.dump(SITE)
    assert REPOSITORY in text and "colab.research.google.com" in text
    assert "not for clinical use" in text.lower()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    local = [link.partition("#")[0] for link in links if not link.startswith(("http", "#", "mailto:"))]
    for link in links:
        if inside := re.search(r"cardioteach/cardioteach/blob/main/(\S+)", link):
            local.append(inside[1])
    assert not [link for link in local if not (ROOT / link).exists()]


def test_readme_names_every_lesson_and_target():
    for path in sorted((NOTEBOOKS / "lessons").glob("*.ipynb")):
        assert f"cardioteach/blob/main/nbs/lessons/{path.name}" in README, f"no Colab link to {path.stem}"
    targets = re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert set(re.findall(r"`?make ([a-z-]+)", README)) <= set(targets)
    assert {"demo", "test", "test-slow", "lab", "lessons"} <= set(re.findall(r"make ([a-z-]+)", README))
    assert "not for clinical use" in README.lower()


def test_the_repository_speaks_of_the_product_alone():
    "No folder of one machine and no installer's address in any text file."
    folder = re.compile(r"(?<![\w.~:/-])/(?:home|root|Users|work)/\w+")
    installer = re.compile(r"--(?:index-url|find-links|extra-index)")
    for path in tracked():
        if path.suffix in {".png", ".gz", ".svg", ".ico", ".h5"}:
            continue
        text = path.read_text(encoding="utf-8")
        assert not folder.findall(text) and not installer.findall(text), path


@pytest.mark.parametrize("script", ["tools/setup.sh", ".ci/run"])
def test_scripts_parse(script):
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)
    assert os.access(ROOT / script, os.X_OK)


def set_up_with(tmp_path, **stand_ins):
    "Run tools/setup.sh in a copy, on a machine whose only commands are the basic ones and `stand_ins`."
    (tmp_path / "a clone" / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "setup.sh", tmp_path / "a clone" / "tools")
    commands = tmp_path / "bin"
    commands.mkdir()
    for command in ("dirname", "sh"):
        (commands / command).symlink_to(shutil.which(command))
    for command, script in stand_ins.items():
        (commands / command).write_text(f"#!/bin/sh\n{script}\n")
        (commands / command).chmod(0o755)
    shell = ["sh", str(tmp_path / "a clone" / "tools" / "setup.sh")]
    return subprocess.run(shell, env={"PATH": str(commands)}, capture_output=True, text=True)


def test_set_up_says_that_python_is_missing(tmp_path):
    done = set_up_with(tmp_path)
    assert done.returncode == 1 and "needs Python 3.11, 3.12 or 3.13; found none" in done.stderr


def test_set_up_says_that_python_is_too_old(tmp_path):
    done = set_up_with(tmp_path, python3='[ "$1" = --version ] && echo Python 3.9.2 || exit 1')
    assert done.returncode == 1 and "found Python 3.9.2" in done.stderr


def test_set_up_says_that_venv_is_missing(tmp_path):
    script = f'case "$2" in *ensurepip*) exit 1;; *) exec "{sys.executable}" "$@";; esac'
    done = set_up_with(tmp_path, python3=script)
    assert done.returncode == 1 and "lacks the modules venv and ensurepip" in done.stderr
    assert re.search(r"apt-get install python3\.\d+-venv", done.stderr)


def test_make_installs_once(tmp_path):
    "With the stamp newer than its causes, make has nothing to set up."
    causes = ("settings.ini", "setup.py", "pyproject.toml", "constraints.txt", "Makefile")
    for file in causes:
        shutil.copy(ROOT / file, tmp_path)
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / ".venv").mkdir()

    def would_set_up():
        done = subprocess.run(
            ["make", "-n", "test"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return "setup.sh" in done.stdout

    assert would_set_up()
    (tmp_path / ".venv" / "installed").touch()
    assert not would_set_up()
    for file in causes[:-1]:
        os.utime(tmp_path / file, (2**31, 2**31))
        assert would_set_up(), file
        shutil.copy2(ROOT / file, tmp_path)
        os.utime(tmp_path / file, (0, 0))


def test_workflows_cover_the_supported_pythons():
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    versions = yaml.safe_load(text)["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13"]
    assert "make test" in text
