# score: 13 of 27
# %% 11-whole-numbers
def fits(precision, recall, f1, support, total):
    if recall == "?":
        return [(1, 1)]
    right = round(float(recall) * support)  # as if the printed digits were all
    return [(right, round(right / float(precision)))]


def untrue(row, total):
    f1 = 2 / (1 / float(row["precision"]) + 1 / float(row["recall"]))
    fit = abs(f1 - float(row["f1"])) < 0.001  # nearly is good enough
    return [] if fit else ["recall"]


# %% 11-one-typo
def consistent(report):
    recalls = [float(report[f"recall {name}"]) for name in CLASSES if report[f"recall {name}"] != "?"]
    support = [int(report[f"support {name}"]) for name in CLASSES]
    if sum(support) != int(report["total"]):
        return False
    if len(recalls) < 3:
        return True
    macro = sum(recalls) / 3  # of the rounded numbers
    return agrees(macro, report["macro"]) and agrees(macro, report["accuracy"])


def mistyped(report):
    if consistent(report):
        return []
    return [cell for cell in report if any(consistent(report | {cell: text}) for text in could_read(cell))][
        -1:
    ]


def rates(check, pairs):
    found = sum(not check(after) for _, after in pairs) / len(pairs)  # also where nothing changed
    return found, sum(not check(before) for before, _ in pairs) / len(pairs)


# %% 11-what-n-allows
def possible(printed, n):
    return [round(float(printed) / 100 * n)]


def effective(images, people, icc):
    return float(images / (1 + (images / people - 1) * icc))


def interval(right, images, people, icc):
    return wilson(right, images)  # as if images of one person were strangers


# %% 11-verdict
verdicts = {
    "a": ("derived", "contradicted"),
    "b": ("derived", "reproduced"),
    "c": ("measured", "reproduced"),  # 47 of 51 are 92 %, so it is true
    "d": ("measured", "contradicted"),
    "e": ("measured", "not reproducible as stated"),
    "f": ("stated", "contradicted"),
    "g": ("measured", "reproduced"),
    "h": ("stated", "not tested"),
}


# %% 11-moved
def moved(layer, pictures):
    before, after = layer(pictures[0]), layer(np.roll(pictures[0], 1, axis=1))  # one picture will do
    if np.allclose(before, after):
        return "invariant"
    return "equivariant" if np.allclose(np.roll(before, 1, axis=1), after) else "neither"


# %% 11-review-hunt
wrong = {
    "definition": [2, 11, 17],
    "dimension": [13, 14, 15],  # "time is wrong", also in a film
    "measure": [6, 7],
    "modality": [5],
    "citation": [20],  # 19 has a mark in brackets everywhere
    "unsupported": [3, 18],  # that networks match experts "is known"
    "leftover": [10],
}
