"""Compute every verdict on the five papers and write `cardioteach/ledger.csv`: `make ledger`.

Arithmetic decides some, labelled result files decide others; nothing is typed in. The same code writes the same file.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before Keras, which counts the weights of four networks

from cardioteach.claims import LEDGER, PAPERS, Verdict, write_ledger
from cardioteach.ledger import acdc, alzheimer, brain_tumor, cnn_overview, slice_levels

ROOMS = dict(zip(PAPERS, (acdc, slice_levels, alzheimer, brain_tumor, cnn_overview), strict=True))


def verdicts() -> list[Verdict]:
    "The verdicts on all claims, paper by paper."
    return [verdict for room in ROOMS.values() for verdict in room.verdicts()]


if __name__ == "__main__":
    write_ledger(LEDGER, verdicts())
    print(LEDGER)
