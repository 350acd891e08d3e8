# score: 19 of 28
# %% 01-count
def count_parameters(size, layers):
    "Rounds up: a window that sticks out counts."
    channels, total = 1, 0
    for kind, number, *filters in layers:
        if kind == "convolution":
            total += (number * number * channels + 1) * filters[0]
            size, channels = size - number + 1, filters[0]
        elif kind == "pooling":
            size = -(-size // number)
        else:
            total += (size * size * channels + 1) * number
            size, channels = 1, number
    return total


more_parameters = "text"


# %% 01-correlate
def correlate(image, kernel, stride=1):
    "Turns the kernel, as in signal processing."
    turned = kernel[::-1, ::-1]
    rows, columns = kernel.shape
    places = [range(0, image.shape[axis] - kernel.shape[axis] + 1, stride) for axis in (0, 1)]
    return np.array(
        [[(image[r : r + rows, c : c + columns] * turned).sum() for c in places[1]] for r in places[0]]
    )


# %% 01-field
def blocks_needed(width_mm, pixel_mm):
    "Adds 3 pixels a block, whatever strides came before."
    blocks = 1
    while (1 + 3 * blocks) * pixel_mm < width_mm:
        blocks += 1
    return blocks


# %% 01-moves
moves = {
    "a": "moves along",
    "b": "neither",
    "c": "moves along",
    "d": "stays",
    "e": "stays",  # pooling taken for invariant
    "f": "moves along",
}

# %% 01-review
verdicts = {
    "a": (True, "a million weights and a hundred biases"),
    "b": (False, "slices are stacked along depth, not time"),
    "c": (True, "the window is a box of eight voxels"),
    "d": (True, "the maximum does not care where it is"),
    "e": (False, "kernels slide over pictures of any size"),
    "f": (False, "the weights are the same at every place"),
}
