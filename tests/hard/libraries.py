"""Programs of public libraries, as problems with the objective for a parameter.

Reads the conic benchmark format (Friberg, "CBLIB 2014", 2016: variables and rows in
cones, no matrices) and sparse SDPA files (Fujisawa and others, "SDPA user's manual",
2002, as in SDPLIB).
"""

import pathlib

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

_PARTS = {"VER", "POWCONES", "OBJSENSE", "VAR", "CON", "OBJACOORD", "OBJBCOORD"} | {
    "ACOORD",
    "BCOORD",
}


def read(path: pathlib.Path) -> tuple[cp.Problem, cp.Parameter, cp.Variable]:
    """The problem of a file, the parameter of its objective, and its variable."""
    return _from_sdpa(path) if path.suffix == ".dat-s" else _from_cbf(path)


def _from_sdpa(path):
    lines = [line for line in path.read_text().splitlines() if line[:1] not in '"*']
    m, sizes = int(lines[0].split()[0]), _numbers(lines[2])
    sizes = [int(size) for size in sizes]
    c = np.array(_numbers(lines[3]))
    entries = [[] for _ in sizes]
    for line in lines[4:]:
        numbers = _numbers(line)
        if numbers:
            entries[int(numbers[1]) - 1].append(numbers)
    cost, x = cp.Parameter(m), cp.Variable(m)
    cost.value = c
    rows = []
    for size, block in zip(sizes, entries, strict=True):
        k, _, i, j, value = np.array(block).T
        i, j, k, order = i.astype(int) - 1, j.astype(int) - 1, k.astype(int), abs(size)
        if size < 0:
            F = sp.csr_array((value, (i, k)), (order, m + 1))
            rows.append(F[:, 1:] @ x >= F[:, [0]].toarray()[:, 0])
            continue
        off = i != j
        at = np.r_[i + order * j, (j + order * i)[off]], np.r_[k, k[off]]
        F = sp.csr_array((np.r_[value, value[off]], at), (order**2, m + 1))
        least = F[:, [0]].toarray()[:, 0]
        rows.append(cp.reshape(F[:, 1:] @ x - least, (order, order), order="F") >> 0)
    return cp.Problem(cp.Minimize(cost @ x), rows), cost, x


def _numbers(line):
    for sign in "{}(),":
        line = line.replace(sign, " ")
    return [float(word) for word in line.split() if word[0] in "+-.0123456789"]


def _from_cbf(path):
    parts = _parts(path)
    n, cones_of_x = _cones(parts["VAR"], parts)
    c = np.zeros(n)
    for line in parts.get("OBJACOORD", [])[1:]:
        c[int(line[0])] = float(line[1])
    if parts["OBJSENSE"][0][0] == "MAX":
        c = -c
    cost, x = cp.Parameter(n), cp.Variable(n)
    cost.value = c
    rows = _in_cones(x, cones_of_x)
    if "CON" in parts:
        m, cones_of_rows = _cones(parts["CON"], parts)
        A = np.array(parts["ACOORD"][1:], float)
        b = np.array(parts.get("BCOORD", [0])[1:], float).reshape(-1, 2)
        A = sp.csr_array((A[:, 2], A[:, :2].astype(int).T), (m, n))
        constant = np.zeros(m)
        constant[b[:, 0].astype(int)] = b[:, 1]
        rows += _in_cones(A @ x + constant, cones_of_rows)
    return cp.Problem(cp.Minimize(cost @ x), rows), cost, x


def _parts(path):
    """The lines of each part, in words."""
    parts: dict = {}
    lines: list = []
    for line in path.read_text().splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] in _PARTS:
            lines = parts.setdefault(words[0], [])
        elif len(words) == 1 and words[0].isalpha() and words[0] not in ("MIN", "MAX"):
            raise ValueError(f"a part that is not known: {words[0]}")
        else:
            lines.append(words)
    return parts


def _cones(lines, parts):
    """How many rows, and the cones by kind: `(kind, alpha)`, and the rows of each."""
    exponents, powers = parts.get("POWCONES", [])[1:], []
    while exponents:
        count = int(exponents[0][0])
        powers.append([float(alpha[0]) for alpha in exponents[1 : count + 1]])
        exponents = exponents[count + 1 :]
    found: dict = {}
    start = 0
    for name, size in lines[1:]:
        kind, alpha = name, None
        if ":" in name:
            number, kind = name[1:].split(":")
            alpha = powers[int(number)][0] / sum(powers[int(number)])
        stop = start + int(size)
        found.setdefault((kind, alpha), []).append(np.arange(start, stop))
        start = stop
    return start, found


def _in_cones(v, cones):
    rows: list = []
    for (kind, alpha), each in cones.items():
        every = np.concatenate(each)
        if kind == "L=":
            rows.append(v[every] == 0)
        elif kind == "L+":
            rows.append(v[every] >= 0)
        elif kind == "L-":
            rows.append(v[every] <= 0)
        elif kind == "Q":
            rows += [cp.SOC(v[own[0]], v[own[1:]]) for own in each]
        elif kind == "QR":
            rows += [
                cp.SOC(
                    v[own[0]] + v[own[1]],
                    cp.hstack([v[own[0]] - v[own[1]], np.sqrt(2) * v[own[2:]]]),
                )
                for own in each
            ]
        elif kind == "EXP":
            a, b, c = np.array(each).T
            rows.append(cp.constraints.ExpCone(v[c], v[b], v[a]))
        elif kind == "POW":
            a, b, c = np.array(each).T
            rows.append(cp.constraints.PowCone3D(v[a], v[b], v[c], alpha))
        elif kind != "F":
            raise ValueError(f"a cone that is not known: {kind}")
    return rows
