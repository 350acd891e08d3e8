# score: 14 of 20
# %% 04-weights
def count(size, sides, filters):
    side, maps, weights = size, 1, 0
    for number, (kernel, wanted) in enumerate(zip(sides, filters, strict=True)):
        weights += (kernel * kernel + 1) * wanted  # as if a filter saw one map only
        side, maps = side - kernel + 1, wanted
        if number % 2:
            side //= 2
    return weights + side * side * maps + 1


# %% 04-copies
def clusters(bits, distance):
    firsts, of = [], []
    for row in bits:
        near = [
            i for i, first in enumerate(firsts) if (row != first).sum() <= distance
        ]  # the first picture only
        if not near:
            firsts.append(row)
        of.append(near[0] if near else len(firsts) - 1)
    return of


# %% 04-difference
def chance(first, second, n, seed=0):
    right = first + second
    drawn = np.random.default_rng(seed).hypergeometric(right, 2 * n - right, n, 100_000)
    return float((right - 2 * drawn >= second - first).mean())  # one direction only


# %% 04-report
def exchanged(report, folder):
    return bool((report.support != folder.reindex(report.index)).any())


def put_right(report):
    table = report.rename(columns={"precision": "recall", "recall": "precision"})
    return table[["precision", "recall", "support"]]  # the support stays that of the predictions


# %% 04-luck
def compare(first, second):
    first, second = np.array(first), np.array(second)
    return {
        "gain": float((second - first).mean()),
        "spread": float((second - first).std(ddof=1)),
        "better": float((second > first).mean()),  # a tie counts nothing
    }
