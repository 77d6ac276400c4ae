"""Batches in which easy, hard, infeasible and unbounded programs stand side by side.

    minimize    (1/2) |L x|^2 + q'x                    (no L in linear programs)
    subject to  A x = b,  G x <= h,  |C_i x + d_i| <= e_i'x + f_i

Feasible elements are built backwards from a strictly complementary solution at which
the active constraints are independent, so the solution is known, unique and
differentiable. Its derivative is taken by central differences of Newton's method in 60
digits, which no conditioning touches.
"""

import dataclasses

import cvxpy as cp
import mpmath as mp
import numpy as np

from tf_cvxlayers.errors import Status

KINDS = {
    "easy": Status.SOLVED,
    "hard_1e4": Status.SOLVED,
    "hard_1e8": Status.SOLVED,
    "infeasible": Status.PRIMAL_INFEASIBLE,
    "unbounded": Status.DUAL_INFEASIBLE,
}
_CONDITION = {"hard_1e4": 4.0, "hard_1e8": 8.0}


@dataclasses.dataclass(frozen=True)
class Family:
    """The sizes of a program: variables, equalities, inequalities, cones."""

    n: int
    p: int
    m: int
    second_order: tuple[int, ...]
    linear: bool

    @classmethod
    def random(cls, rng) -> "Family":
        """A quadratic, linear or second-order cone program of mixed size."""
        linear = rng.random() < 0.3
        n = int(rng.integers(2, 16))
        p = int(rng.integers(0, n // 2 + 1))
        m = int(rng.integers(2, n + 6))
        sizes: tuple[int, ...] = ()
        if linear:
            m = max(m, n - p + 2)
        elif rng.random() < 0.45:
            sizes = tuple(int(k) for k in rng.integers(2, 5, size=rng.integers(1, 4)))
        return cls(n, p, m, sizes, linear)

    def state(self) -> tuple[cp.Problem, dict[str, cp.Parameter], cp.Variable]:
        """The problem, its parameters by name, and its variable."""
        fed: dict[str, cp.Parameter] = {}

        def parameter(name, *shape):
            fed[name] = cp.Parameter(shape, name=name)
            return fed[name]

        n, x = self.n, cp.Variable(self.n, name="x")
        objective = parameter("q", n) @ x
        if not self.linear:
            objective += 0.5 * cp.sum_squares(parameter("L", n, n) @ x)
        constraints = [parameter("G", self.m, n) @ x <= parameter("h", self.m)]
        if self.p:
            constraints.append(parameter("A", self.p, n) @ x == parameter("b", self.p))
        for k, size in enumerate(self.second_order):
            left = parameter(f"C{k}", size - 1, n) @ x + parameter(f"d{k}", size - 1)
            right = parameter(f"e{k}", n) @ x + parameter(f"f{k}")
            constraints.append(cp.norm(left) <= right)
        return cp.Problem(cp.Minimize(objective), constraints), fed, x


@dataclasses.dataclass(frozen=True)
class Element:
    """One program: its numbers by parameter, its solution, and what is active there."""

    kind: str
    values: dict[str, np.ndarray]
    x: np.ndarray
    active: np.ndarray
    active_cones: tuple[int, ...]

    @classmethod
    def random(cls, rng, family: Family, kind: str) -> "Element":
        """A program of this kind."""
        n, p, m, sizes = family.n, family.p, family.m, family.second_order
        digits = _CONDITION.get(kind, 0.0)
        V, _ = np.linalg.qr(rng.normal(size=(n, n)))
        # Eigenvalues of L'L, and units of the rows, over so many powers of ten.
        L = 10.0 ** (-0.5 * digits * rng.random(n))[:, None] * V.T
        A, G = (_rows(rng, k, n, digits) for k in (p, m))
        x, nu = rng.normal(size=n), rng.normal(size=p)
        if kind == "infeasible":
            G[1] = -G[0]

        room = n - p
        cones = [k for k in range(len(sizes)) if rng.random() < 0.6][: max(room, 0)]
        if family.linear:
            # At a vertex.
            active = np.isin(np.arange(m), rng.permutation(m)[:room])
        else:
            active = rng.random(m) < 0.5
            active &= np.cumsum(active) <= room - len(cones)
        unit = np.linalg.norm(G, axis=1)
        s = np.where(active, 0.0, rng.uniform(0.1, 1.1, size=m)) * unit
        z = np.where(active, rng.uniform(0.1, 1.1, size=m), 0.0) / unit
        q = -A.T @ nu - G.T @ z
        if not family.linear:
            q -= L.T @ (L @ x)
        values = {"L": L, "A": A, "b": A @ x, "G": G, "h": G @ x + s}
        for k, size in enumerate(sizes):
            C, e = rng.normal(size=(size - 1, n)), 0.3 * rng.normal(size=n)
            u = rng.normal(size=size - 1)
            distance = np.linalg.norm(u)
            slack = 0.0 if k in cones else rng.uniform(0.1, 1.1)
            if k in cones:
                q -= rng.uniform(0.2, 1.2) * (C.T @ (u / distance) - e)
            values |= {f"C{k}": C, f"d{k}": u - C @ x, f"e{k}": e}
            values[f"f{k}"] = distance + slack - e @ x
        values["q"] = q
        if kind == "infeasible":
            values["h"][1] = -values["h"][0] - max(1.0, abs(values["h"][0]))
        if kind == "unbounded":
            values = _unbounded(rng, values, x, s, len(sizes))
        return cls(kind, values, x, np.flatnonzero(active), tuple(cones))

    def derivative(self, direction: dict[str, np.ndarray]) -> np.ndarray:
        """The derivative of the solution along a direction of the numbers."""
        with mp.workdps(60):
            start, step = self._solved(self.values, None), mp.mpf(10) ** -20
            ends = []
            for sign in (1, -1):
                moved = {
                    name: _exact(value) + sign * step * _exact(direction[name])
                    for name, value in self.values.items()
                }
                ends.append(self._solved(moved, start))
            n = self.x.size
            return np.array(
                [float((ends[0][i] - ends[1][i]) / (2 * step)) for i in range(n)]
            )

    def _solved(self, values, start):
        """`(x, multipliers)` by Newton's method on the active optimality conditions."""
        v = {name: _exact(value) for name, value in values.items()}
        n, p = self.x.size, v["A"].rows
        rows = [int(i) for i in self.active]
        size = n + p + len(rows) + len(self.active_cones)
        point = mp.matrix(size, 1) if start is None else start.copy()
        if start is None:
            for i in range(n):
                point[i] = mp.mpf(float(self.x[i]))
        for _ in range(60):
            F, J = self._conditions(v, point, rows, p)
            change = mp.lu_solve(J, -F)
            point += change
            if mp.norm(change) < mp.mpf(10) ** -45 * (1 + mp.norm(point)):
                break
        return point

    def _conditions(self, v, point, rows, p):
        """The optimality conditions, and their Jacobian."""
        n, size = self.x.size, len(point)
        x = point[:n]
        P = v["L"].T * v["L"] if "L" in v else mp.zeros(n)
        F, J = mp.zeros(size, 1), mp.zeros(size)
        gradient = P * x + v["q"]
        hessian = P.copy()
        constraints = [(v["A"][i, :], v["A"][i, :] * x - v["b"][i]) for i in range(p)]
        constraints += [(v["G"][i, :], v["G"][i, :] * x - v["h"][i]) for i in rows]
        for place, k in enumerate(self.active_cones):
            C, e, f = v[f"C{k}"], v[f"e{k}"], v[f"f{k}"][0]
            u = C * x + v[f"d{k}"]
            distance = mp.norm(u)
            normal = (C.T * u / distance - e).T
            constraints.append((normal, distance - (e.T * x)[0] - f))
            multiplier = point[n + p + len(rows) + place]
            tangent = C - (u / distance) * ((u.T / distance) * C)
            hessian += multiplier / distance * (C.T * tangent)
        for i, (normal, value) in enumerate(constraints):
            gradient += normal.T * point[n + i]
            F[n + i] = value[0] if hasattr(value, "__len__") else value
            for j in range(n):
                J[n + i, j] = J[j, n + i] = normal[j]
        for i in range(n):
            F[i] = gradient[i]
            for j in range(n):
                J[i, j] = hessian[i, j]
        return F, J


def _rows(rng, count, n, digits):
    units = 10.0 ** rng.uniform(-0.25 * digits, 0.25 * digits, size=(count, 1))
    return units * rng.normal(size=(count, n))


def _unbounded(rng, values, x, s, cones):
    """The numbers with a direction along which only the objective changes."""
    n = x.size
    ray = rng.normal(size=n)
    ray /= np.linalg.norm(ray)
    across = np.eye(n) - np.outer(ray, ray)
    values = {
        name: value @ across if name[0] in "LAGCe" else value
        for name, value in values.items()
    }
    values["b"] = values["A"] @ x
    values["h"] = values["G"] @ x + np.maximum(s, 0.1)
    for k in range(cones):
        u = values[f"C{k}"] @ x + values[f"d{k}"]
        values[f"f{k}"] = np.linalg.norm(u) + 1.0 - values[f"e{k}"] @ x
    values["q"] = across @ values["q"] - ray
    return values


def _exact(value):
    """Numbers as an mpmath matrix, without rounding."""
    if isinstance(value, mp.matrix):
        return value
    array = np.atleast_1d(np.asarray(value, float))
    if array.ndim == 2 and array.shape[0] == 0:
        return mp.matrix(0, array.shape[1])
    return mp.matrix(array.tolist())
