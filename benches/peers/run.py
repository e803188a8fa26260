#!/usr/bin/env python3
"""Times this library against PyTorch, JAX, SciPy and pymanopt in one interleaved run, and prints ratios.

`python3 benches/peers/run.py` does everything: the virtual environment under the target folder, our release build,
the agreement of all numbers, the times. `--help` lists the options; `README.md` says what is compared and how.
Only the standard library is used here: the libraries live in their workers.
"""

import argparse
import array
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
PLACE = TARGET / "peers"
PEERS = {"torch": "PyTorch", "jax": "JAX", "scipy": "SciPy", "pymanopt": "pymanopt"}
# Our worker, the folder of the peers' rows, the peers, and rows that only a peer may have.
SUITES = {
    "peers": (HERE, list(PEERS), ["rayleigh", "subspace", "brockett", "procrustes"]),
    "gradbench": (HERE.parent / "gradbench", ["jax"], []),
    "meta": (HERE / "meta", ["torch", "jax"], []),
}
KINDS = {
    "value": "value",
    "gradient": "value and derivative on a held tape",
    "driver": "value and derivative by a driver",
    "hvp": "Hessian-vector product",
    "solve": "solve",
    "steps": "100 learned steps",
    "implicit": "implicit meta-gradient at a solution",
    "meta": "100 steps and implicit meta-gradient",
    "unroll": "100 steps unrolled",
}
# A figure is measured again, at most so often, while it is noisier than this; the quietest measurement stands.
TRIES, QUIET = 3, 0.1
AGREEMENT, AGREEMENT_F32 = 1e-9, 1e-4


def allowed(row):
    """How far numbers of a row may differ."""
    return AGREEMENT_F32 if row.endswith("/f32") else AGREEMENT


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="names of rows; all without")
    parser.add_argument("--suite", choices=list(SUITES), default="peers", help="matrix functions, GradBench's evals or a learned loop")
    parser.add_argument("--n", nargs="+", type=int, default=[4, 16, 64, 256], help="orders of the matrices")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--turns", type=int, default=15, help="how many turns each side takes at each figure")
    parser.add_argument("--turn", type=float, default=0.02, help="least seconds a turn takes")
    parser.add_argument("--core", type=int, help="the processor that everything is bound to; the last one without")
    parser.add_argument("--json", type=Path, help="where all figures go; under the target folder without")
    return parser.parse_args()


def environment():
    """The interpreter of a virtual environment that has what `requirements.txt` names."""
    venv, wanted = PLACE / "venv", (HERE / "requirements.txt").read_text()
    python, stamp = venv / "bin" / "python", venv / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making {venv}; the wheels are a few gigabytes", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    return python


def built(suite):
    """Our worker, built for release."""
    command = ["cargo", "build", "--release", "-q", "-p", "pullback-benches", "--bin", suite]
    subprocess.run([*command, "--target-dir", TARGET], cwd=ROOT, check=True)
    return TARGET / "release" / suite


def one_thread():
    """The variables of a worker. Those that choose other kernels of a vendor library for a process are left out."""
    threads = ["OMP", "MKL", "OPENBLAS", "VECLIB_MAXIMUM", "NUMEXPR"]
    mine = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    mine |= {f"{t}_NUM_THREADS": "1" for t in threads}
    return mine | {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_PLATFORMS": "cpu"}


class Refused(Exception):
    """A worker answered with an error."""


class Side:
    """A worker process and the row it is at."""

    def __init__(self, name, command):
        self.name, self.kinds = name, []
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=HERE, env=one_thread())

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        said = self.process.stdout.readline().rstrip("\n")
        if not said or said.startswith("error "):
            raise Refused(said or "the worker ended")
        return said

    def row(self, name, n, path):
        try:
            said = self.ask("row", name, n, path)
            self.kinds = [] if said == "none" else said.split()
        except Refused as refused:
            print(f"  {self.name} cannot take up {name} at {n}: {refused}", file=sys.stderr)
            self.kinds = []

    def numbers(self, kind):
        path = PLACE / f"{self.name}.numbers"
        remark = self.ask("numbers", kind, path)
        found = array.array("d")
        found.frombytes(path.read_bytes())
        return found, remark.removeprefix("ok").strip()

    def time(self, kind, reps):
        return float(self.ask("time", kind, reps)) / reps


def difference(a, b):
    """The largest difference of two lists of numbers, relative to the largest number."""
    if len(a) != len(b):
        return math.inf
    scale = max(max(map(abs, b)), 1e-300)
    # A comparison with NaN is false, so it must be looked for.
    worst = max(map(abs, map(float.__sub__, a, b)))
    return worst / scale if all(map(math.isfinite, a)) and all(map(math.isfinite, b)) else math.inf


def calibrated(side, kind, turn):
    """How many calls fill a turn."""
    reps = 1
    while True:
        seconds = side.time(kind, reps) * reps
        if seconds >= turn / 2:
            return max(1, round(reps * turn / seconds))
        reps = max(2 * reps, min(10 * reps, round(reps * turn / max(seconds, 1e-9))))


def raced(sides, kind, turn, turns):
    """The times of all sides, turn by turn; whoever goes first changes."""
    reps = {s.name: calibrated(s, kind, turn) for s in sides}
    times = {s.name: [] for s in sides}
    for k in range(turns):
        for s in sides[k % len(sides) :] + sides[: k % len(sides)]:
            times[s.name].append(s.time(kind, reps[s.name]))
    return times


def figure(ours, theirs):
    """The median of the ratios of the turns, and half the distance of their quartiles, relative to it."""
    ratios = [t / o for o, t in zip(ours, theirs)]
    middle, quartiles = statistics.median(ratios), statistics.quantiles(ratios, n=4)
    return middle, (quartiles[2] - quartiles[0]) / 2 / middle


def pretty(seconds):
    for scale, unit in [(1e-6, "ns"), (1e-3, "us"), (1.0, "ms")]:
        if seconds < scale:
            return f"{seconds / scale * 1e3:.3g} {unit}"
    return f"{seconds:.3g} s"


def measure(ours, peers, row, n, kind, args):
    """Agreement first, then times. A dictionary of what was found, also printed as a line."""
    found = {"row": row, "n": n, "kind": kind, "peers": {}}
    racing, mine = [], None
    if kind in ours.kinds:
        mine, found["remark"] = ours.numbers(kind)
        racing.append(ours)
    for s in [p for p in peers if kind in p.kinds]:
        entry = found["peers"][s.name] = {"allowed": allowed(row)}
        try:
            theirs, entry["remark"] = s.numbers(kind)
            entry["difference"] = difference(mine, theirs) if mine is not None else None
            racing.append(s)
        except Refused as refused:
            entry["refused"] = str(refused)
    # Without a peer that has it, ours still stands beside.
    times = quietest(racing, kind, args)
    found["ours"] = statistics.median(times[ours.name]) if ours.name in times else None
    for name, entry in found["peers"].items():
        if name in times:
            entry["time"] = statistics.median(times[name])
            if found["ours"] is not None:
                entry["ratio"], entry["noise"] = figure(times[ours.name], times[name])
    print(line(found), flush=True)
    return found


def quietest(racing, kind, args):
    """The times of all sides in the quietest of a few tries."""
    tries = []
    while len(tries) < TRIES and (not tries or min(tries, key=lambda t: t[0])[0] > QUIET):
        times = raced(racing, kind, args.turn, args.turns)
        first, *others = times.values()
        tries.append((max((figure(first, o)[1] for o in others), default=0.0), times))
    return min(tries, key=lambda t: t[0])[1]


def line(found):
    own = pretty(found["ours"]) if found["ours"] is not None else "none yet"
    text = f"{found['row']:<10} {found['n'] or '':>4} {found['kind']:<8} ours {own:>8} {found.get('remark', '')}"
    for name, e in found["peers"].items():
        if "time" not in e:
            text += f" | {PEERS[name]} has none: {e['refused'][:60]}"
            continue
        ratio = f"{e['ratio']:7.2f}x ±{100 * e['noise']:.0f}%" if "ratio" in e else ""
        off = e["difference"]
        wrong = "" if off is None or off <= allowed(found["row"]) else f" DISAGREES by {off:.1e}"
        text += f" | {PEERS[name]} {pretty(e['time']):>8}{ratio}{wrong} {e['remark']}"
    return text


def cell(e):
    if e is None or "ratio" not in e:
        return "-"
    if e["difference"] > e["allowed"]:
        return "disagrees"
    ratio = e["ratio"]
    return f"**{ratio:.2g}**" if ratio < 1 else f"{ratio:.3g}" if ratio < 100 else f"{ratio:.0f}"


def table(title, columns, rows):
    """`rows` maps the name of a row to its cells."""
    print(f"\n{title}; below 1 (bold) we are slower\n")
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


def tables(results):
    """Rows by orders, a table for each kind and a cell for all peers; rows of one size only by kinds."""
    compared = [r for r in results if r["ours"] is not None and r["peers"]]
    for kind, title in KINDS.items():
        here = [r for r in compared if r["kind"] == kind and r["n"]]
        if here:
            names = [p for p in PEERS if any(p in r["peers"] for r in here)]
            orders = sorted({r["n"] for r in here})
            cells = {r["row"]: ["-"] * len(orders) for r in here}
            for r in here:
                cells[r["row"]][orders.index(r["n"])] = " / ".join(cell(r["peers"].get(p)) for p in names)
            peers = " / ".join(PEERS[p] for p in names)
            table(f"{title}: time of {peers} divided by ours", [f"n={n}" for n in orders], cells)
    here = [r for r in compared if not r["n"]]
    if here:
        kinds = [k for k in KINDS if any(r["kind"] == k for r in here)]
        cells = {r["row"]: ["-"] * len(kinds) for r in here}
        for r in here:
            cells[r["row"]][kinds.index(r["kind"])] = " / ".join(map(cell, r["peers"].values()))
        peers = " / ".join(PEERS[p] for p in PEERS if p in here[0]["peers"])
        table(f"time of {peers} divided by ours", [KINDS[k] for k in kinds], cells)


def summary(results):
    compared = [e for r in results for e in r["peers"].values() if "ratio" in e]
    if not compared:
        return
    noise = sorted(e["noise"] for e in compared)
    offs = [e["difference"] for e in compared]
    lost = sum(e["ratio"] < 1 for e in compared)
    print(f"\n{len(compared)} ratios, {lost} of them below 1. Largest difference of numbers: {max(offs):.1e}.")
    print(f"Noise (half the distance of the quartiles of a ratio over the turns, relative): median "
          f"{100 * noise[len(noise) // 2]:.1f} %, nine tenths below {100 * noise[len(noise) * 9 // 10]:.1f} %, "
          f"largest {100 * noise[-1]:.0f} %.")


def machine():
    try:
        cpu = next(l for l in Path("/proc/cpuinfo").read_text().splitlines() if l.startswith("model name"))
        cpu = cpu.split(":", 1)[1].strip()
    except (OSError, StopIteration):
        cpu = platform.processor() or "unknown processor"
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    wide = next((w for f, w in [("avx512f", "AVX-512"), ("avx2", "AVX2")] if f in flags), "")
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    parts = [f"{cpu} {wide}, {platform.system()}", rust, f"Python {platform.python_version()}"]
    return "; ".join([*parts, f"revision {revision.stdout.strip()}"])


def main():
    args = options()
    PLACE.mkdir(parents=True, exist_ok=True)
    folder, names, only_theirs = SUITES[args.suite]
    args.json = args.json or PLACE / f"{args.suite}.json"
    python, own = environment(), built(args.suite)
    if hasattr(os, "sched_setaffinity"):
        core = args.core if args.core is not None else max(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {core})
    ours = Side("ours", [own])
    peers = [Side(p, [python, HERE / "worker.py", folder / f"rows_{p}.py"]) for p in names if p in args.peers]
    print(machine())
    print("; ".join(p.ask("about") for p in peers))
    print(f"one thread each, bound to one processor; {args.turns} turns of {args.turn} s or one call\n", flush=True)
    known = ours.ask("rows").split() + only_theirs
    # The name of an eval stands for all its sizes.
    chosen = [k for k in known if not args.rows or k in args.rows or k.split("/")[0] in args.rows]
    unknown = [r for r in args.rows if r not in {k.split("/")[0] for k in known} | set(known)]
    if unknown:
        sys.exit(f"expected rows among {' '.join(known)}; got {' '.join(unknown)}")
    results, start = [], time.time()
    for row in chosen:
        # Evals have their size in their name, and solver rows have one size only.
        for n in [0] if args.suite != "peers" or row in only_theirs else args.n:
            path = PLACE / "problem"
            path.unlink(missing_ok=True)
            for s in [ours, *peers]:
                s.row(row, n, path)
            kinds = [k for k in KINDS if k in args.kinds and any(k in s.kinds for s in [ours, *peers])]
            results += [measure(ours, peers, row, n, k, args) for k in kinds]
            args.json.write_text(json.dumps(results, indent=1))
    tables(results)
    summary(results)
    print(f"{time.time() - start:.0f} s; all figures in {args.json}")
    bad = [r for r in results for e in r["peers"].values() if (e.get("difference") or 0) > e["allowed"]]
    sys.exit(f"{len(bad)} results disagree by more than is allowed ({AGREEMENT}; {AGREEMENT_F32} in f32)" if bad else 0)


if __name__ == "__main__":
    main()
