"What is installed: all modules, one version, light imports, commands that answer."

import configparser
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from lessons import ROOT

import cardioteach

HEAVY = {
    "keras", "tensorflow", "jax", "pandas", "matplotlib", "scipy", "sklearn", "skimage", "nibabel", "IPython", "ipywidgets",
}  # fmt: skip
MODULES = sorted(path for path in (ROOT / "cardioteach").rglob("*.py"))
settings = configparser.ConfigParser(delimiters=["="])
settings.read(ROOT / "settings.ini", encoding="utf-8")
settings = settings["DEFAULT"]
project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def loaded_by(code):
    "The top-level modules that are loaded after a fresh interpreter ran `code`."
    code += "\nimport sys\nprint('loaded', *sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded ")[2].split())


def test_importing_the_package_is_light():
    assert not loaded_by("import cardioteach") & HEAVY


def test_help_is_light():
    code = "import sys\nsys.argv = ['cardioteach', '--help']\nfrom cardioteach.cli import main\n"
    assert not loaded_by(code + "try:\n    main()\nexcept SystemExit:\n    pass") & HEAVY


def light_rooms():
    rooms = [path.relative_to(ROOT) for path in MODULES if {"data", "phantom"} & set(path.parent.parts)]
    others = ("cohort", "split", "heart", "cache", "download", "audit", "claims")
    rooms += [Path("cardioteach", f"{name}.py") for name in others]
    return [
        ".".join(path.with_suffix("").parts)
        for path in rooms
        if (ROOT / path).exists() and path.stem[0] != "_"
    ]


@pytest.mark.parametrize("module", light_rooms())
def test_data_rooms_do_not_import_keras(module):
    assert not loaded_by(f"import {module}") & {"keras", "tensorflow", "jax"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    "The source distribution and the wheel made from it, without a network."
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def test_wheel_holds_every_module(built):
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    missing = {path.relative_to(ROOT).as_posix() for path in MODULES} - names
    assert not missing
    data = {path.relative_to(ROOT).as_posix() for path in (ROOT / "cardioteach").glob("*/*.json")}
    assert data and not data - names
    extra = {name for name in names if not name.startswith("cardioteach")}
    assert not extra, "only the package belongs into the wheel"


def test_source_distribution_can_be_built_from(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"settings.ini", "setup.py", "pyproject.toml", "README.md", "LICENSE"} <= names


def test_requirements_reach_the_wheel(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        text = next(wheel.read(name).decode() for name in wheel.namelist() if name.endswith("/METADATA"))
    needs = re.findall(r"(?m)^Requires-Dist: ([^;\s]+)$", text)
    assert sorted(needs) == sorted(settings["requirements"].split())
    extras = set(re.findall(r"(?m)^Provides-Extra: (\w+)", text))
    assert extras == {"lessons", "lab", "grade", "gpu", "parquet", "dev"}
    assert "License-Expression: Apache-2.0" in text and f"Version: {cardioteach.__version__}" in text


def test_version_stands_in_one_place():
    assert metadata.version("cardioteach") == cardioteach.__version__
    typed = re.compile(rf"(?<![\w.]){re.escape(cardioteach.__version__)}(?![\w.])")
    for file in ("settings.ini", "setup.py", "pyproject.toml", "CITATION.cff", "README.md", "_quarto.yml"):
        assert not typed.search((ROOT / file).read_text(encoding="utf-8")), file
    assert typed.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")), "tell of this version"


def test_constraints_meet_the_requirements():
    from packaging.requirements import Requirement

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = {pin.name.lower().replace("_", "-"): str(pin.specifier).removeprefix("==") for pin in pinned}
    for need in settings["requirements"].split() + settings["dev_requirements"].split():
        need = Requirement(need)
        assert need.specifier.contains(versions[need.name.lower()]), (
            f"{need} but {versions[need.name.lower()]}"
        )
    assert not any(pin.url for pin in pinned)


@pytest.mark.parametrize("command", ["cardioteach", "nbdev-test", "nbdev_test"])
def test_commands_answer(command):
    found = Path(sys.executable).parent / command
    if command == "nbdev_test" and not found.exists():
        pytest.skip("the alias nbdev_test is made by tools/setup.sh: this environment was not made by `make`")
    done = subprocess.run(
        [found, "--help"], capture_output=True, text=True, env=os.environ | {"COLUMNS": "100"}
    )
    assert done.returncode == 0 and "usage" in done.stdout.lower()
