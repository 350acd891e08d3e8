# score: 14 of 26
# %% 00-units
def in_units(stored, header):
    "Forgets that MONOCHROME1 is dark where numbers are large."
    return stored.astype(float) * header.RescaleSlope + header.RescaleIntercept


# %% 00-window
def window(pixels, level, width):
    "Becomes 8 bits before it is cut off: numbers outside wrap around."
    low = level - width / 2
    return np.round((np.asarray(pixels, float) - low) / width * 255).astype(np.int64).astype(np.uint8)


# %% 00-pumped
def pumped(masks, spacing_mm):
    "Takes the first moment for end-diastole."
    volumes = (masks == 3).sum(axis=(1, 2, 3)) * np.prod(spacing_mm) / 1000
    full, emptied = float(volumes[0]), float(volumes.min())
    return {"full_ml": full, "emptied_ml": emptied, "ejection_fraction": (full - emptied) / full}


# %% 00-task
task = {
    "a": "classification",
    "b": "detection",
    "c": "segmentation",
    "d": "segmentation",
    "e": "classification",
    "f": "detection",
}


# %% 00-people
def shared(table, train, test):
    "Trusts names: the same image under another name goes unseen."
    return sorted(set(table.subject.iloc[train]) & set(table.subject.iloc[test]))


fair = {"A": False, "B": True, "C": True}
