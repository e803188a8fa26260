"""One peer as a worker that `run.py` talks to, by the protocol that `../src/worker.rs` describes.

`python worker.py FOLDER/rows_torch.py` serves the rows of that file, and so on. Such a module has a function `about()`,
which names the library and its version, and `prepare(name, problem)`, which gives two functions for each kind of call
it has: one without arguments, which is what is timed, and one that makes a list of arrays of its result. No program
lives here.
"""

import importlib
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np


def read_problem(path):
    """What a row works on, as our worker wrote it; where it does not have the row, there is no file."""
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
                call, unpack = self.kinds[kind]
                result = call()
                symmetrise = kind != "value" and self.problem is not None and self.problem.symmetric
                by_columns(unpack(result), symmetrise).astype("<f8").tofile(path)
                return "ok " + getattr(result, "remark", "")
            case ["time", kind, reps]:
                run, _ = self.kinds[kind]
                start = time.perf_counter()
                for _ in range(int(reps)):
                    run()
                return repr(time.perf_counter() - start)
        raise ValueError(f"expected `about`, `row`, `numbers` or `time`, got `{line}`")


def main():
    answers, sys.stdout = sys.stdout, sys.stderr
    rows = Path(sys.argv[1])
    sys.path.insert(0, str(rows.parent))
    worker = Worker(importlib.import_module(rows.stem))
    for line in sys.stdin:
        try:
            said = worker.answer(line.rstrip("\n"))
        except Exception as error:  # Whatever a library raises is the answer, and the next row is another matter.
            said = f"error {type(error).__name__}: {' '.join(str(error).split())}"
        print(said, file=answers, flush=True)


if __name__ == "__main__":
    main()
