"The explorer in JupyterLab, in a real browser, moved by keyboard alone."

import nbformat
import pytest
from browser import NEEDED, lab, opened

from cardioteach.data.acdc import read_subject
from cardioteach.phantom.heart import make
from cardioteach.widgets import describe

pytestmark = NEEDED
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


@pytest.fixture(scope="module")
def page(folder, tmp_path_factory):
    "The notebook, opened and run."
    with lab(folder, tmp_path_factory.mktemp("home")) as address, opened(address("explorer.ipynb")) as page:
        page.locator(".jp-Notebook .cm-content").first.press("Shift+Enter")
        try:
            page.wait_for_selector("img.widget-image")
        except Exception as problem:  # Playwright's own time-out
            pytest.fail(f"no widget ({problem}), but\n{page.locator('.jp-Notebook').inner_text()}")
        yield page


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
