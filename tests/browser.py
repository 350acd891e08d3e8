"A JupyterLab of its own and a headless browser, for the tests that look at notebooks as users do."

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

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDED = [
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


@contextlib.contextmanager
def lab(folder, home):
    "From a file in `folder` to its address in a JupyterLab for this machine alone, with settings in `home`; stopped in the end."
    port, token = free_port(), secrets.token_hex()
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    places += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    private = {name: str(home / name.lower()) for name in places} | {"JUPYTER_TOKEN": token}
    (home / "jupyter_config_dir" / "labconfig").mkdir(parents=True)
    news = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / "jupyter_config_dir" / "labconfig" / "page_config.json").write_text(json.dumps(news))
    whole = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}  # all cells are in the page
    (home / "jupyter_config_dir" / "labconfig" / "default_setting_overrides.json").write_text(
        json.dumps(whole)
    )
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--notebook-dir={folder}"]
    command += ["--ServerApp.shutdown_no_activity_timeout=900"]  # should this process be killed
    log = home / "log.txt"
    with log.open("w") as file:
        server = subprocess.Popen(command, env=os.environ | private, cwd=folder, stdout=file, stderr=file)
    try:
        wait_until_it_answers(server, f"http://127.0.0.1:{port}/api", log)
        assert token not in log.read_text()
        # reset: notebooks that an earlier test left open would be in the page, too
        yield lambda file: f"http://127.0.0.1:{port}/lab/tree/{file}?reset&token={token}"
    finally:
        server.terminate()  # the server ends its kernels
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextlib.contextmanager
def opened(address):
    "A notebook in a browser, its kernel ready."
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            page = browser.new_page(viewport={"width": 1000, "height": 1000})
            page.set_default_timeout(90_000)
            page.goto(address)
            page.get_by_text("| Idle").wait_for()  # a cell run before the kernel is there may be lost
            yield page
        finally:
            browser.close()
