"""One peer as a worker that `run.py` talks to, by the protocol that `main.rs` describes.

`python worker.py torch` serves the rows of `rows_torch.py`, and so on. Such a module has a function `about()`, which
names the library and its version, `prepare(name, problem)`, which gives a function without arguments for each kind it
has, and `arrays(result)`, which makes NumPy arrays of what these return. No program lives here.
"""

import importlib
import sys
import time
from types import SimpleNamespace

import numpy as np


def read_problem(path):
    """What the matrix rows work on, as `inputs.rs` wrote it; solver rows have no file."""
    try:
        numbers = np.fromfile(path, dtype="<f8")
    except FileNotFoundError:
        return None
    symmetric, *counts = numbers[:4].astype(int)
    place, lists = 4, []
    for count in counts:
        lists.append([])
        for _ in range(count):
            rows, cols = numbers[place : place + 2].astype(int)
            entries = numbers[place + 2 : place + 2 + rows * cols]
            # Row-major, as these libraries keep a matrix of their own.
            lists[-1].append(np.ascontiguousarray(entries.reshape((rows, cols), order="F")))
            place += 2 + rows * cols
    return SimpleNamespace(symmetric=bool(symmetric), x=lists[0], v=lists[1], w=lists[2])


def by_columns(arrays, symmetrise):
    """The entries of all arrays, column by column."""
    parts = [np.asarray(a, dtype=float) for a in arrays]
    parts = [(a + a.T) / 2 if symmetrise and a.ndim == 2 else a for a in parts]
    return np.concatenate([a.ravel(order="F") for a in parts])


class Worker:
    def __init__(self, side):
        self.side, self.problem, self.kinds = side, None, {}

    def answer(self, line):
        match line.split(" "):
            case ["about"]:
                return self.side.about()
            case ["row", name, _n, path]:
                self.problem = read_problem(path)
                self.kinds = self.side.prepare(name, self.problem)
                return " ".join(self.kinds) or "none"
            case ["numbers", kind, path]:
                result = self.kinds[kind]()
                symmetrise = kind != "value" and self.problem is not None and self.problem.symmetric
                by_columns(self.side.arrays(result), symmetrise).astype("<f8").tofile(path)
                return "ok " + getattr(result, "remark", "")
            case ["time", kind, reps]:
                run = self.kinds[kind]
                start = time.perf_counter()
                for _ in range(int(reps)):
                    run()
                return repr(time.perf_counter() - start)
        raise ValueError(f"expected `about`, `row`, `numbers` or `time`, got `{line}`")


def main():
    answers, sys.stdout = sys.stdout, sys.stderr
    worker = Worker(importlib.import_module("rows_" + sys.argv[1]))
    for line in sys.stdin:
        try:
            said = worker.answer(line.rstrip("\n"))
        except Exception as error:  # Whatever a library raises is the answer, and the next row is another matter.
            said = f"error {type(error).__name__}: {' '.join(str(error).split())}"
        print(said, file=answers, flush=True)


if __name__ == "__main__":
    main()
