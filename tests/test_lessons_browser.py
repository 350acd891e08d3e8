"Lessons that need no long run, in JupyterLab, in a real browser: every cell runs, every widget moves, the quiz answers, by keyboard."

import re
import shutil

import pytest
from browser import NEEDED, lab, opened
from lessons import NOTEBOOKS

from cardioteach.classroom import read_quiz

pytestmark = NEEDED


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lessons")
    for path in (NOTEBOOKS / "lessons").glob("*.ipynb"):
        shutil.copy(path, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IN_TEST", "1")  # kernels inherit it: the small sizes
        with lab(folder, tmp_path_factory.mktemp("home")) as address:
            yield address


def run_all(page):
    "Run every cell from the menu, and wait until the last one is done."
    from playwright.sync_api import expect

    expect(page.locator(".jp-NotebookPanel")).to_have_count(1)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    last = page.locator(".jp-CodeCell .jp-InputPrompt").last
    expect(last).to_have_text(re.compile(r"\[\d+\]:"), timeout=900_000)


def move(page, widget):
    "Press one key on the first control of a widget; its picture must change."
    picture = widget.locator("img.widget-image")
    picture.scroll_into_view_if_needed()
    before = picture.get_attribute("src")
    control = widget.locator(".noUi-handle, input[type=number], select, input[type=checkbox]").first
    kind = control.evaluate("element => element.tagName + (element.type || '')")
    control.focus()
    control.press(
        "Space" if kind.endswith("checkbox") else "ArrowDown" if kind.startswith("SELECT") else "ArrowUp"
    )
    image = picture.element_handle()
    page.wait_for_function("([image, before]) => image.src != before", arg=[image, before])


@pytest.mark.parametrize("lesson", ["00_images", "01_convolution", "02_training", "11_paper_audit"])
def test_widgets_move_and_the_quiz_answers(lesson, address):
    from playwright.sync_api import expect

    questions = read_quiz(lesson)
    with opened(address(f"{lesson}.ipynb")) as page:
        run_all(page)
        assert page.locator("[data-mime-type*=error]").count() == 0
        widgets = page.locator(".jupyter-widgets.widget-vbox", has=page.locator("img.widget-image"))
        assert widgets.count() >= 1
        for number in range(widgets.count()):
            move(page, widgets.nth(number))
        answers = page.locator(".Quiz .MCButton input")
        answers.first.scroll_into_view_if_needed()
        page.locator(".Quiz input[data-lm-suppress-shortcuts]").first.wait_for()
        answers.first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")  # to the second answer of the first question
        said = page.locator(".Quiz .Feedback[role=status]").first
        chosen = questions[0]["answers"][1]
        expect(said).to_contain_text("Right." if chosen["correct"] else "Not quite.")
        expect(said).to_contain_text(chosen["feedback"][:30])
