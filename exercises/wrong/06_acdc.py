# score: 11 of 20
# %% 06-square
def square(masks):
    rows, columns = np.nonzero((masks > 0).any(axis=(0, 1)))
    side = max(rows.max() - rows.min(), columns.max() - columns.min())  # one pixel short
    return int(rows.min()), int(columns.min()), int(side)


# %% 06-worth
def people_right(answers):
    people = answers.groupby("subject")
    diagnosis = people.prediction.agg(lambda given: given.mode().iloc[0])
    share = float((diagnosis == people.label.first()).mean())
    return share, 1.96 * math.sqrt(share * (1 - share) / len(answers))  # as if images were people


# %% 06-leak
def share_known(table):
    test = table[table.part == "test"]
    train = table[table.part == "train"]  # the validation part is forgotten
    return float(test.subject.isin(train.subject).mean())


# %% 06-arithmetic
def by_image(r, q):
    return float(r + (1 - r) * q)


def recognised(a, c):
    return float(a)  # as if nobody were right by chance


# %% 06-table
def misfits(table):
    return table.index[table.recall == table.F1].tolist()  # equal is taken for copied


def right_images(precision, f1, images):
    return int(images / (2 / f1 - 1 / precision))  # truncated
