"""Coordinates in which an easy program is awkward, and the way back.

    x given = size * columns * (x + translation)

and rows and the objective have factors of their own. In exact arithmetic none of this
changes anything, which is why errors are measured in the easy coordinates.
"""

import dataclasses

import numpy as np

from tests.hard import fixed_point as fp
from tests.hard.instance import Instance
from tf_cvxlayers.program.cone_program import ConeData
from tf_cvxlayers.program.cones import KINDS

# Distances of `far`, with the share of each.
_DISTANCES = (1e2, 1e4, 1e6, 1e8), (0.32, 0.32, 0.31, 0.05)


@dataclasses.dataclass(frozen=True)
class Placement:
    """The translation `[n]`, the factors of columns `[n]` and of rows `[m]`, of the
    objective, and of `x` and `b` together."""

    translation: np.ndarray
    columns: np.ndarray
    rows: np.ndarray
    objective: float = 1.0
    size: float = 1.0

    @property
    def distance(self) -> float:
        """How far the program is moved."""
        return float(np.abs(self.translation).max())

    def given(self, instance: Instance) -> ConeData:
        """The data of a program in these coordinates, in float64."""
        D, R, h, t = 1.0 / self.columns, self.rows, self.size, self.translation
        P, A = instance.P, instance.A
        return ConeData(
            P=P * (D[:, None] * D) * (self.objective / h**2),
            q=(instance.q - P @ t) * D * (self.objective / h),
            A=A * (R[:, None] * D),
            b=(instance.b + A @ t) * R * h,
        )

    def exact(self, data: ConeData) -> ConeData:
        """Given data without the scales, and still translated, in fixed point."""
        D, R = fp.fixed(self.columns), fp.fixed(self.rows)
        h, objective = (fp.fixed(v).item() for v in (self.size, self.objective))
        P, q, A, b = map(fp.fixed, data)
        hh = fp.times(h, h)
        return ConeData(
            P=fp.over(fp.times(fp.times(fp.times(P, D), D[:, None]), hh), objective),
            q=fp.over(fp.times(fp.times(q, D), h), objective),
            A=fp.over(fp.times(A, D), R[:, None]),
            b=fp.over(fp.over(b, R), h),
        )

    def point(self, x: np.ndarray) -> np.ndarray:
        """The given `x`, in easy coordinates."""
        return x / (self.size * self.columns) - self.translation

    def cotangent(self, w: np.ndarray) -> np.ndarray:
        """The functional `w` of the easy `x`, as one of the given `x`."""
        return w / (self.size * self.columns)

    def gradient(self, g: ConeData) -> ConeData:
        """A gradient with respect to given data, `P` and `A` as full matrices, as one
        with respect to data without the scales, and still translated."""
        D, R, h = 1.0 / self.columns, self.rows, self.size
        return ConeData(
            P=g.P * (D[:, None] * D) * (self.objective / h**2),
            q=g.q * D * (self.objective / h),
            A=g.A * (R[:, None] * D),
            b=g.b * R * h,
        )


def placement(
    instance: Instance, kinds: list[str], rng: np.random.Generator
) -> Placement:
    """A random placement; `kinds` are among `far`, or `far` with a distance (`far1e6`),
    `rows`, `columns`, `objective` and `righthand`; anything else is left alone."""
    m, n = instance.A.shape
    place = Placement(np.zeros(n), np.ones(n), np.ones(m))
    changes: dict = {}
    for word in (kind for kind in kinds if kind.startswith("far")):
        named = word.removeprefix("far")
        distance = float(named or rng.choice(_DISTANCES[0], p=_DISTANCES[1]))
        direction = instance.translation
        if direction is None:
            direction = rng.normal(size=n)
        changes["translation"] = distance * rng.choice([-1.0, 1.0]) * direction
    if "rows" in kinds:
        changes["rows"] = _row_factors(instance, rng)
    if "columns" in kinds:
        # Beyond this, the curvature of a cone is lost in the rounding of the data.
        reach = 8.0 if instance.cones.is_polyhedral else 4.0
        changes["columns"] = 10.0 ** rng.uniform(-reach, reach, n)
    if "objective" in kinds:
        changes["objective"] = 10.0 ** rng.uniform(-8, 8)
    if "righthand" in kinds:
        changes["size"] = 10.0 ** rng.uniform(-8, 8)
    return dataclasses.replace(place, **changes)


def _row_factors(instance, rng):
    """One for each row of a flat cone, one for each curved cone."""
    factors = [
        10.0 ** rng.uniform(-8, 8, cone.rows if KINDS[cone.kind].is_flat else 1)
        * np.ones(cone.rows)
        for cone in instance.cones.blocks
    ]
    return np.concatenate(factors)
