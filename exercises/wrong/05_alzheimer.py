# score: 13 of 20
# %% 05-whose-image
def cut(table, people):
    ids = table.number % people
    return int((ids.groupby(table.person).nunique() > 1).sum())


def share_known(table, people, drawn):
    test = (table.number % people).isin(drawn)
    tested, trained = set(table.person[test]), set(table.person[~test])
    return len(tested & trained) / len(tested)  # of the people, not of the images


# %% 05-exchanged-report
def true_counts(precision, recall, support, total):
    right = round(recall * support)  # as if the printed digits were all
    return [round(right / precision)]


def balanced(report):
    return float(report.precision[report.support > 0].mean())  # "support 0: the class is not there"


# %% 05-residual-block
def block(shape, maps, stride):
    rows, columns, before = shape
    weights = 9 * before * maps + 9 * maps * maps + 4 * maps
    if stride != 1:  # but not where only the number of maps changes
        weights += before * maps + 2 * maps
    return (math.ceil(rows / stride), math.ceil(columns / stride), maps), weights, weights


# %% 05-two-persons
def by_class(answers):
    people = answers.groupby("subject")
    label = people.label.first()
    right = people.prediction.agg(lambda given: given.mode().iloc[0]) == label
    table = right.groupby(label).agg(people="size", right="sum")
    images = answers.groupby("label").size()
    ends = [
        wilson(row.right / row.people * images[row.Index], images[row.Index]) for row in table.itertuples()
    ]
    return table.assign(low=[low for low, _ in ends], high=[high for _, high in ends])


def balanced_over_people(answers):
    people = answers.groupby("subject")
    right = people.prediction.agg(lambda given: given.mode().iloc[0]) == people.label.first()
    return float(right.mean())  # over the people, not over the classes
