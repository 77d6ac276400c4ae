"""Configs and programs of layers, broken in every way that a seed thinks of.

    python -m tests.broken_files --seed 0 --count 5000

Each is read in this process, which has a limit of memory and of time. What comes is the
package's FileError, or a layer: where nothing that counts was broken. Anything else is
printed, and the exit status says so.
"""

import argparse
import collections
import copy
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time

import cvxpy as cp
import numpy as np

from tests.problems import BY_NAME
from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.engines import Diffcp
from tf_cvxlayers.errors import FileError
from tf_cvxlayers.layers import QuadraticProgram
from tf_cvxlayers.program.archive import bytes_from, packed, text_of, unpacked

# Of data beyond what TensorFlow has when it is imported; and for each file.
_MEMORY, _SECONDS = 2 * 2**30, 20
_OTHERS = (
    None, True, -1, 0, 1, 7, 2**31, 2**63, 10**30, -(10**18), 0.5, -0.5, 1e308,
    float("nan"), float("inf"), "", "x", "a0", "../x", "ConeDims", [], [1], {},
    {"a": 1}, {"array": "a0"}, {"tuple": [1, 2]},
    {"class": "Pattern", "fields": {}}, [[]] * 9,
)  # fmt: skip


def layers() -> list:
    """Layers whose configs have all that a config can have."""
    x, y = cp.Parameter(3, name="x"), cp.Variable(3, name="y")
    w = cp.Parameter(3, name="w", bounds=[0.0, 2.0])
    S = cp.Parameter((3, 3), name="S", sparsity=([0, 1], [0, 2]))
    c = cp.Parameter(nonneg=True, name="c")
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(y - x) + c * cp.norm(y) + cp.sum(cp.exp(S @ y))),
        [y <= w, cp.power(y[0] + 2, 0.3) >= 0.5],
    )
    engine = Diffcp(solver="scs", solver_options={"alpha": 1.2, "normalize": True})
    every = CvxpyLayer(
        problem,
        x,
        y,
        learned={
            w: {"initializer": "ones", "regularizer": "l2", "constraint": "non_neg"},
            c: np.array(0.5),
        },
        fixed={S: np.diag([1.0, 0.0, 0.0])},
        engine=engine,
        dtype="float64",
    )
    names = "relu", "attributes", "maxcut", "box_gp"
    made = [BY_NAME[name].layer() for name in names]
    return [every, *made, QuadraticProgram(4, equalities=1, inequalities=2)]


def broken(config: dict, rng: random.Random) -> dict:
    """The config with something broken, or several things."""
    config = copy.deepcopy(config)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        how = rng.choice([_break, _program, _program, _program, _bytes])
        how(config, rng)
    return config


def _bytes(config: dict, rng: random.Random) -> None:
    """Among the bytes of the program."""
    if not isinstance(config.get("program"), str):
        return
    try:
        content = bytearray(bytes_from(config["program"]))
    except FileError:
        return
    for _ in range(rng.choice([1, 2, 20])):
        place = rng.randrange(len(content) or 1)
        match rng.randrange(4):
            case 0:
                content[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del content[place:]
            case 2:
                del content[place : place + rng.randrange(9)]
            case 3:
                content[place:place] = rng.randbytes(rng.randrange(9))
    config["program"] = text_of(bytes(content))


def _program(config: dict, rng: random.Random) -> None:
    """In the outline or the arrays of the program."""
    try:
        arrays = unpacked(bytes_from(config.get("program")))
        outline = json.loads(arrays.pop("outline").tobytes())
    except (FileError, ValueError, KeyError):
        return
    if rng.random() < 0.5:
        _break(outline, rng)
    else:
        name = rng.choice(sorted(arrays))
        array = _broken_array(arrays[name].copy(), rng)
        if array is None:
            del arrays[name]
        else:
            arrays[name] = array
    text = np.frombuffer(json.dumps(outline).encode(), np.uint8)
    config["program"] = text_of(packed({"outline": text, **arrays}))


def _broken_array(array: np.ndarray, rng: random.Random) -> np.ndarray | None:
    match rng.randrange(8):
        case 0:
            return None
        case 1:
            return array[: rng.randrange(array.size + 1)] if array.ndim else array[None]
        case 2:
            return np.concatenate([array.ravel()] * 2)
        case 3:
            return array.astype(rng.choice(["<i4", "<f8", ">i8", "<c16", "?", "S3"]))
        case 4:
            return np.zeros(rng.choice([0, 1, 10**6]), array.dtype)
        case 5:
            return array.reshape(1, -1)
    if array.size:
        values = [-1, 0, 1, 10**6, 2**31 - 1]
        if array.dtype.kind == "f":
            values += [float("nan"), float("inf"), -1e308, 1e-308]
        array.flat[rng.randrange(array.size)] = rng.choice(values)
    return array


def _break(root: dict, rng: random.Random) -> None:
    """One node of a tree of dicts and lists, taken away or replaced."""
    places = []

    def walk(node):
        keys = list(node) if isinstance(node, dict) else range(len(node))
        for key in keys:
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(root)
    if not places:
        return
    node, key = rng.choice(places)
    match rng.randrange(4):
        case 0:
            del node[key]
        case 1 if isinstance(node, dict):
            node[rng.choice(["x", "class", "array", "tuple"])] = node.pop(key)
        case 2 if isinstance(node[key], int | float):
            node[key] = rng.choice([-node[key], node[key] + 1, 10**9, 10**12, 2.5])
        case _:
            node[key] = copy.deepcopy(rng.choice(_OTHERS))


def main() -> int:
    """Break and read; say what came."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=5000)
    options = parser.parse_args()
    originals = [(type(layer), layer.get_config()) for layer in layers()]
    for cls, config in originals:
        cls.from_config(config)
    _limit_memory()
    signal.signal(signal.SIGALRM, _too_long)
    came: collections.Counter[str] = collections.Counter()
    faults, longest = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for k in range(options.count):
            rng = random.Random(f"{options.seed} {k}")
            cls, config = rng.choice(originals)
            config = broken(config, rng)
            signal.alarm(_SECONDS)
            start = time.perf_counter()
            try:
                cls.from_config(config)
                came["a layer"] += 1
            except FileError:
                came["FileError"] += 1
            except BaseException as error:
                faults += 1
                print(f"seed {options.seed}, {k}: {type(error).__name__}: {error}")
            signal.alarm(0)
            longest = max(longest, time.perf_counter() - start)
        written = os.listdir(folder)
        os.chdir("/")
    print(f"seed {options.seed}: {dict(came)}, {faults} faults, files {written}")
    print(f"the longest took {longest:.2f} s")
    return 1 if faults or written else 0


def _limit_memory() -> None:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmData"))
    used = int(line.split()[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (used + _MEMORY, used + _MEMORY))


def _too_long(*_args) -> None:
    raise TimeoutError(f"more than {_SECONDS} s")


if __name__ == "__main__":
    sys.exit(main())
