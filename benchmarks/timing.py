"How long something takes."

import time


def seconds(work, *arguments):
    "Run time and result of a function."
    start = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - start, result
