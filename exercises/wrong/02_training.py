# score: 8 of 31
# %% 02-loss
def loss_from_scores(scores, truth):
    "Takes the formula as it stands."
    powers = np.exp(scores)
    given = powers / powers.sum(axis=1, keepdims=True)
    return float(-np.log(given[np.arange(len(truth)), truth]).mean())


# %% 02-step
def step(weights, x, truth, rate):
    "Adds up over the images, and does not divide."
    powers = np.exp(x @ weights)
    given = powers / powers.sum(axis=1, keepdims=True)
    return weights - rate * x.T @ (given - np.eye(weights.shape[1])[truth])


# %% 02-metrics
def metrics(tp, fp, fn, tn):
    "Precision as a published paper prints it."

    def share(part, whole):
        return part / whole if whole else float("nan")

    precision, sensitivity = share(tp, tp + fn), share(tp, tp + fn)
    return {
        "sensitivity": sensitivity,
        "specificity": share(tn, tn + fp),
        "precision": precision,
        "F1": share(2 * precision * sensitivity, precision + sensitivity),
    }


# %% 02-interval
def interval(right, subjects, draws=2000, seed=0):
    "Draws images."
    drawn = np.random.default_rng(seed).integers(0, len(right), (draws, len(right)))
    low, high = np.percentile(right[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


# %% 02-judge
def judge():
    "Takes the best of the test part for a finding."
    return {
        "number": "B",
        "A": "same people",
        "C": "too few epochs",
        "D": "no new data",
        "better": "no",
        "control": "at chance",
        "kept": "30",
        "gain": "yes",
    }
