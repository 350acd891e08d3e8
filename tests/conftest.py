"What all tests share: a quiet, offline surrounding, and a closing list of what was not run."

import os
import tempfile

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
cache = tempfile.TemporaryDirectory(prefix="cardioteach-")  # the user's own cache is left alone
os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "Agg", "CARDIOTEACH_CACHE": cache.name}
closing = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[closing] = []


def pytest_deselected(items):
    slow = sum(item.get_closest_marker("slow") is not None for item in items)
    if slow:
        items[0].config.stash[closing].append(f"not run here: {slow} slow tests (make test-slow)")


@pytest.fixture
def tell(request):
    "Add a line to the closing list."
    return request.config.stash[closing].append


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter, config):
    yield
    skipped = len(terminalreporter.stats.get("skipped", []))
    lines = [*config.stash[closing], f"skipped: {skipped}" + (", for the reasons above" if skipped else "")]
    terminalreporter.section("what was not run, and what was counted")
    for line in lines:
        terminalreporter.line(line)
