# score: 15 of 37
# %% 03-features
def standardised_features(images, train, backbone):
    "Standardises by all images, test part included."
    vectors = np.asarray(backbone(images), float)
    return (vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-12)


# %% 03-range
def in_range(images, name):
    "Divides, whatever the network wants, and standardises over all images."
    if name == "standardised":
        return ((images - images.mean()) / images.std()).astype(np.float32)
    return (images / 255 if name == "0 to 1" else images / 127.5 - 1).astype(np.float32)


# %% 03-normalise
def batch_normalise(batch, mean, variance, training, momentum=0.99):
    "Takes the batch's own numbers in both modes."
    own_mean, own_variance = batch.mean(axis=0), batch.var(axis=0)
    mean = momentum * mean + (1 - momentum) * own_mean
    variance = momentum * variance + (1 - momentum) * own_variance
    return (batch - own_mean) / np.sqrt(own_variance + 0.001), mean, variance


# %% 03-needed
def people_needed(curves, method, baseline):
    "The first size at which the best draw wins."
    best = curves.groupby(["method", "people"]).auc.max()
    sizes = sorted(curves.people.unique())
    wins = [int(size) for size in sizes if best[method, size] > best[baseline, size]]
    return wins[0] if wins and wins[-1] == sizes[-1] else None


# %% 03-judge
def judge():
    "Pre-training always helps, fine-tuning always wins."
    return {
        "A": "more epochs",
        "B": "yes",
        "C": "none",
        "D": "wrong range",
        "E": "no",
        "passes": "10000",
        "small": "the batch",
        "draws": "yes",
    }
