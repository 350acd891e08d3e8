# Every target does the set-up it needs by itself. `make help` lists them.
BIN := .venv/bin
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
export PYTHON

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

demo: .venv/installed  ## the main job, on generated hearts: by image, by subject, and why they differ
	$(BIN)/cardioteach demo

test: .venv/installed  ## all tests that need neither real data nor much time
	$(BIN)/python -m pytest

test-slow: .venv/installed  ## real data (CARDIOTEACH_DATA), browser, long runs
	$(BIN)/python -m pytest -m slow

lab: .venv/installed  ## JupyterLab on the lessons
	$(BIN)/jupyter lab $(ROOT) --notebook-dir=nbs --LabApp.default_url=/lab/tree/lessons

lessons: .venv/installed  ## run all notebooks at full size and store what they show; ONLY=06_acdc for one
	$(BIN)/python tools/lessons.py $(ONLY)
	$(BIN)/python tools/picture.py
	$(BIN)/nbdev-clean

ledger: .venv/installed  ## every claim of the five papers with its verdict, into cardioteach/ledger.csv
	$(BIN)/python tools/ledger.py

exercises: .venv/installed  ## the students' copies of all exercises, from exercises/source into exercises/release
	$(BIN)/python -c "from cardioteach.classroom import write_releases; print(*write_releases(), sep='\n')"

backbone: .venv/installed  ## the bundled weights again, from drawn images alone (about 15 minutes)
	$(BIN)/python tools/backbone.py

export: .venv/installed  ## notebooks to package: format, export, clean
	$(BIN)/ruff format --quiet .
	$(BIN)/nbdev-export
	$(BIN)/nbdev-clean

docs: .venv/installed  ## the site, into _docs (needs Quarto)
	@command -v quarto >/dev/null || { echo "The site is made with Quarto: install it from quarto.org, then repeat."; exit 1; }
	$(BIN)/nbdev-docs

clean:  ## remove what can be made again, .venv too
	rm -rf .venv _docs _proc build dist *.egg-info .pytest_cache .ruff_cache nbs/nbdev.yml

.venv/installed: settings.ini setup.py pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh

.PHONY: help demo test test-slow lab lessons ledger exercises backbone export docs clean
