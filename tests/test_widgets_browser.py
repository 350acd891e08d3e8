"The explorer in JupyterLab, in a real browser, moved by keyboard alone."

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from cardioteach.data.acdc import read_subject
from cardioteach.phantom.heart import make
from cardioteach.widgets import describe

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
CODE = """
from cardioteach.data.acdc import read_subject
from cardioteach.widgets import explore

explore(read_subject("phantom/patient004", frames="all"))
""".strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    "A folder with a notebook that shows the explorer of a phantom."
    folder = tmp_path_factory.mktemp("lab")
    make(folder / "phantom", n=5, seed=0, size="tiny")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "explorer.ipynb")
    return folder


@pytest.fixture(scope="module")
def subject(folder):
    "Whom the notebook shows."
    return read_subject(folder / "phantom" / "patient004", frames="all")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_answers(server, url, log):
    for _ in range(120):
        assert server.poll() is None, f"JupyterLab stopped:\n{log.read_text()[-3000:]}"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.5)
    raise AssertionError(f"JupyterLab does not answer:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def lab(folder, tmp_path_factory):
    "From a file to its address in a JupyterLab for this machine alone, with settings of its own; stopped in the end."
    home, port, token = tmp_path_factory.mktemp("home"), free_port(), secrets.token_hex()
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    places += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    private = {name: str(home / name.lower()) for name in places} | {"JUPYTER_TOKEN": token}
    (home / "jupyter_config_dir" / "labconfig").mkdir(parents=True)
    news = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / "jupyter_config_dir" / "labconfig" / "page_config.json").write_text(json.dumps(news))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--notebook-dir={folder}"]
    command += ["--ServerApp.shutdown_no_activity_timeout=900"]  # should this process be killed
    log = home / "log.txt"
    with log.open("w") as file:
        server = subprocess.Popen(command, env=os.environ | private, cwd=folder, stdout=file, stderr=file)
    try:
        wait_until_it_answers(server, f"http://127.0.0.1:{port}/api", log)
        assert token not in log.read_text()
        yield lambda file: f"http://127.0.0.1:{port}/lab/tree/{file}?token={token}"
    finally:
        server.terminate()  # the server ends its kernels
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def page(lab):
    "The notebook, opened and run."
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            page = browser.new_page(viewport={"width": 1000, "height": 1000})
            page.set_default_timeout(90_000)
            page.goto(lab("explorer.ipynb"))
            page.get_by_text("| Idle").wait_for()  # a cell run before the kernel is there may be lost
            page.locator(".jp-Notebook .cm-content").first.press("Shift+Enter")
            try:
                page.wait_for_selector("img.widget-image")
            except playwright.TimeoutError:
                pytest.fail(f"no widget, but\n{page.locator('.jp-Notebook').inner_text()}")
            yield page
        finally:
            browser.close()


def shown(page):
    "Address of the picture, and the line of text below it."
    text = page.locator("[role=status]").inner_text().replace("\n", " ")
    return page.locator("img.widget-image").get_attribute("src"), text


def press(page, slider, key):
    "Press a key on a slider (0: slice, 1: frame); returns what is shown once it has changed."
    picture, text = shown(page)
    page.locator(".noUi-handle").nth(slider).press(key)
    page.wait_for_function(
        "([picture, text]) => document.querySelector('img.widget-image').src != picture"
        " && document.querySelector('[role=status]').innerText.replace('\\n', ' ') != text",
        arg=[picture, text],
    )
    return shown(page)


def pixels(page):
    "What is on the screen where the picture is."
    return page.locator("img.widget-image").screenshot()


def test_the_keyboard_moves_slice_and_frame(page, subject):
    frame, middle = subject.info.end_diastole - 1, len(subject.frames[0]) // 2
    before, (_, first) = pixels(page), shown(page)
    assert first == describe(subject, frame, middle)
    _, text = press(page, 0, "ArrowRight")
    assert text == describe(subject, frame, middle + 1) and pixels(page) != before
    _, text = press(page, 0, "ArrowLeft")
    assert text == first and pixels(page) == before
    _, text = press(page, 1, "ArrowRight")
    assert text == describe(subject, frame + 1, middle) and pixels(page) != before
    press(page, 1, "ArrowLeft")


def test_the_outlines_can_be_switched_off(page):
    before = pixels(page)
    picture, _ = shown(page)
    page.get_by_label("Outlines").press("Space")
    page.wait_for_function(
        "picture => document.querySelector('img.widget-image').src != picture", arg=picture
    )
    assert pixels(page) != before


def test_the_picture_is_true_to_scale_and_described(page, subject):
    picture = page.locator("img.widget-image")
    box = picture.bounding_box()
    rows, columns = subject.frames[0].shape[1:]
    assert box["width"] / box["height"] == pytest.approx(columns / rows, abs=0.01)
    assert picture.get_attribute("title") == f"MRI of patient004. {shown(page)[1]}"


def test_nothing_but_the_widget_is_shown(page):
    "No error, and no second picture: the one that stands in stays away."
    assert page.locator(".jp-OutputArea-output img").count() == 1
    assert page.locator(".jp-RenderedText[data-mime-type*=stderr]").count() == 0
