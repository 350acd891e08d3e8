"""The README's picture, put together from figures that the ACDC lesson has stored: hearts above, accuracies below."""

import base64
import io
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
LESSON, PICTURE = ROOT / "nbs" / "lessons" / "06_acdc.ipynb", ROOT / "nbs" / "images" / "demo.png"


def stored_figure(label: str) -> Image.Image:
    "The picture that the cell with this label has stored."
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if cell.cell_type == "code" and f"#| label: {label}\n" in cell.source:
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    return Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))).convert("RGB")
    raise SystemExit(f"{LESSON.name} stores no {label}: run `make lessons` first")


def main():
    hearts, study = stored_figure("fig-groups"), stored_figure("fig-study")
    hearts = hearts.resize((study.width, round(hearts.height * study.width / hearts.width)))
    page = Image.new("RGB", (study.width, hearts.height + study.height), "white")
    page.paste(hearts, (0, 0))
    page.paste(study, (0, hearts.height))
    page.quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
