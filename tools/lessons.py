"""Run notebooks at full size in fresh kernels and store what they print and draw.

`make lessons` runs them all; `make lessons ONLY=06_acdc` runs those named. A notebook that fails keeps its old outputs.
`nbs/lessons/outputs.json` remembers of which code the outputs of each lesson are: a test compares.
"""

import ast
import base64
import hashlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import nbformat
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "nbs"
RECORD = NOTEBOOKS / "lessons" / "outputs.json"
SKIP = "not-run"
COLOURS = r"\x1b\[[\d;]*m"
WIDGET = "application/vnd.jupyter.widget-view+json"
NOISE = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:.]+: |^[IWEF]0000 |^WARNING: All log messages before absl|oneDNN|cuda|cpu_feature_guard"
    r"|computation_placer|To enable the following instructions|\d+%\|.*\||^\s*$",
    re.IGNORECASE,
)


def notebooks() -> list[Path]:
    "All notebooks, library first."
    return sorted((NOTEBOOKS / "library").glob("*.ipynb")) + sorted((NOTEBOOKS / "lessons").glob("*.ipynb"))


def code_cells(notebook: Path) -> list[str]:
    "The source of each code cell."
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def imported(source: str, package: str) -> set[Path]:
    "The modules of cardioteach that `source`, which lies in `package`, imports."
    names = set()
    for node in ast.walk(ast.parse(re.sub(r"(?m)^(\s*)[%!]", r"\1pass  # ", source))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    paths = {ROOT / (name.replace(".", "/") + ".py") for name in names if name.startswith("cardioteach.")}
    return {path for path in paths if path.exists()}


@cache
def meaning(module: Path) -> str:
    "A module without its comments, its line breaks and the order of its imports: what they change is no output."
    tree = ast.parse(module.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in ast.walk(tree):
        if isinstance(getattr(node, "body", None), list):
            node.body = [part for part in node.body if part not in imports]
    return "\n".join([*sorted(map(ast.dump, imports)), ast.dump(tree)])


def code_hash(notebook: Path) -> str:
    "Changes with the code cells of `notebook` and with the meaning of every module of cardioteach they lead to."
    cells = "\n\n".join(code_cells(notebook))
    found, todo = (
        set(),
        imported("\n".join(re.sub(r"(?s)^%%.*", "", cell) for cell in code_cells(notebook)), ""),
    )
    while todo:
        path = todo.pop()
        found.add(path)
        package = ".".join(path.parent.relative_to(ROOT).parts)
        todo |= imported(path.read_text(encoding="utf-8"), package) - found
    digest = hashlib.sha256(cells.encode())
    for path in sorted(found):
        digest.update(meaning(path).encode())
    return digest.hexdigest()[:16]


def stored() -> dict[str, str]:
    "Name of a lesson -> hash of the code its outputs are of."
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def tidy_text(text: str) -> str:
    "Without the folders of this machine."
    folders = {f"{ROOT}/": "", str(ROOT): ".", f"{Path.home()}/": "~/"}
    for folder, short in folders.items():
        text = text.replace(folder, short)
    return re.sub(rf"{re.escape(tempfile.gettempdir())}/[\w.-]+", "temporary", text)


def small_png(data: str) -> str:
    "A base64 PNG with 256 colours, or fewer and then smaller if that takes more than 100 kB; the original if that is less."
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image)
    for colours, scale in ((256, 1), (128, 1), (64, 1), (64, 0.8), (64, 0.65), (64, 0.5)):
        small, size = io.BytesIO(), (round(image.width * scale), round(image.height * scale))
        page = paper.convert("RGB").resize(size)
        page.quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if small.tell() <= 100_000:
            break
    encoded = base64.b64encode(small.getvalue()).decode()
    return min(encoded, data.replace("\n", ""), key=len)


def tidy(output):
    "An output as it is stored, or None for one that is left out."
    if output.output_type == "stream":
        lines = tidy_text(output.text).splitlines(keepends=True)
        if output.name == "stderr":
            lines = [line for line in lines if not NOISE.search(line)]
        output.text = "".join(lines)
        return output if output.text.strip() else None
    data = output.get("data", {})
    if data.pop(WIDGET, None) and set(data) <= {"text/plain"}:
        return None
    for kind, value in data.items():
        if kind == "image/png":
            data[kind] = small_png(value)
        elif isinstance(value, str):
            data[kind] = tidy_text(value)
    return output


def run(notebook: Path) -> None:
    "Run `notebook` in a fresh kernel and store its outputs."
    from nbclient import NotebookClient

    nb = nbformat.read(notebook, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "code" and re.search(r"(?m)^#\| *eval: *false", cell.source):
            cell.metadata.tags = [*cell.metadata.get("tags", []), SKIP]
    folder = {"metadata": {"path": notebook.parent}}
    client = NotebookClient(
        nb,
        timeout=None,
        kernel_name="python3",
        resources=folder,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        skip_cells_with_tag=SKIP,
        extra_arguments=["--IPKernelApp.log_level=40"],
    )
    with tqdm(total=len(nb.cells), desc=f"{notebook.stem:16}", unit="cell", disable=False) as bar:
        client.on_cell_complete = lambda cell, cell_index: bar.update(cell_index + 1 - bar.n)
        client.execute(stderr=subprocess.DEVNULL)  # the start-up log of TensorFlow
        bar.update(bar.total - bar.n)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(tidy, cell.outputs) if output is not None]
        if SKIP in cell.metadata.get("tags", []):
            cell.metadata.tags.remove(SKIP)
            if not cell.metadata.tags:
                del cell.metadata["tags"]
    nbformat.write(nb, notebook)


def main(only: list[str]) -> int:
    "Run the notebooks named `only`, or all."
    os.environ.pop("IN_TEST", None)
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1", "PYTHONHASHSEED": "0", "COLUMNS": "100"}
    chosen = [path for path in notebooks() if not only or path.stem in only]
    if missing := set(only) - {path.stem for path in chosen}:
        print(
            f"no such notebook: {', '.join(sorted(missing))}; there are", *(path.stem for path in notebooks())
        )
        return 1
    failed = []
    for path in chosen:
        start = time.perf_counter()
        try:
            run(path)
        except Exception as error:  # one notebook's failure must not lose the others
            failed.append(path.stem)
            print(f"{path.stem}: {re.sub(COLOURS, '', str(error))[-4000:]}", file=sys.stderr)
            continue
        print(f"{path.stem}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
        if path.parent == RECORD.parent:
            RECORD.write_text(
                json.dumps(stored() | {path.stem: code_hash(path)}, indent=1, sort_keys=True) + "\n"
            )
    if failed:
        print("failed, outputs left as they were:", *failed, file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
