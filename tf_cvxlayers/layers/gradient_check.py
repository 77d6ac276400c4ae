"""Gradients against differences, for a layer of the package."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_cvxlayers.arguments import number_between, whole_number
from tf_cvxlayers.errors import Status
from tf_cvxlayers.layers.directions import Direction, random_direction
from tf_cvxlayers.layers.kinks import Kinks, Row
from tf_cvxlayers.pipeline.pipeline import Pipeline
from tf_cvxlayers.pipeline.validation import require_solved, require_valid

# Where a difference disagrees by more than this, shorter steps are tried as well.
_AGREES = 1e-6
_SHORTER = (1.0, 0.1, 0.01)
# What is left of an error by more than this is a kink, or a fault.
_FAULT = 1e-4
# Of a solve, relative to the size of what an output is computed from: ten times what is
# seen where the solver is refined.
_ROUNDING = 1e-13
# A gap that a kink made falls by more than this when the step no longer crosses it.
_FALLS = 0.1
# What counts as zero beside the products of gradient and direction in each parameter.
_CANCELLED = 1e-6


class _Errors(NamedTuple):
    max_relative_error: float
    errors: np.ndarray


class GradientReport(_Errors):
    """How far gradients are from differences: a tuple of two, with `str(report)` in
    words.

    The words begin with what was found. *agrees*: all errors are below 1e-4. *kink
    near*: others are where a constraint changes its side within the step, and which
    one; the solution has no derivative there. *disagrees*: they are where nothing
    explains them, and how far the nearest kink is.

    Attributes:
        max_relative_error: the largest of `errors`.
        errors: float64 `[directions]`: `|g - d| / max(|g|, |d|, floor)`, for the
            directional derivatives by gradient, `g`, and by differences, `d`, of a
            random weighting of all outputs. The floor is a millionth of the length of
            the products of gradient and direction, so that a sum of them that is zero
            counts as such. What rounding may do to `d` is 1e-13 times the size of what
            the outputs are computed from, over the step; where `|g - d|` is no more
            than that, the floor is a million times that, so that derivatives that are
            zero agree. A kink within the step spoils a difference: where they disagree,
            it is taken with a tenth and a hundredth of the step too, and the least
            error counts.
    """

    words: str = ""

    @classmethod
    def of(cls, errors: list[float], words: str) -> "GradientReport":
        """The report with these errors and words."""
        report = cls(max(errors), np.array(errors))
        report.words = words
        return report

    def __str__(self) -> str:
        return self.words or repr(self)


def check_gradients(
    pipeline: Pipeline, values: list[tf.Tensor], directions: int, step: float
) -> GradientReport:
    """The report for a pipeline at these parameters; deterministic.

    Elements without a solution are left out.

    Raises:
        ArgumentError: no directions, or a step that is none.
        ParameterError: as in a call.
        SolverError: no element has a solution.
    """
    directions = whole_number("directions", directions)
    step = number_between("step", step, 0.0, 0.5)
    values = [tf.cast(value, tf.float64) for value in values]
    rng = np.random.default_rng(0)
    check = _Check(pipeline, values, rng)
    specs, points = pipeline.program.parameters, [value.numpy() for value in values]
    errors, spoiled = [], []
    for _ in range(directions):
        direction = random_direction(rng, specs, points, step)
        error, length = check.error(direction, step)
        errors.append(error)
        if error > _FAULT:
            spoiled.append((direction, length))
    return GradientReport.of(errors, _words(pipeline, values, errors, spoiled))


class _Check:
    """A random weighting of all outputs: its value at the parameters, its gradient, and
    what rounding may do to it."""

    def __init__(
        self, pipeline: Pipeline, values: list[tf.Tensor], rng: np.random.Generator
    ):
        self._pipeline = pipeline
        with tf.GradientTape() as tape:
            tape.watch(values)
            measured = pipeline.measured(values)
            require_valid(pipeline.checks, measured.solved.passed)
            _require_some(tf.reshape(measured.status, [-1]))
            variables = measured.solved.variables
            self._weights = [rng.normal(size=value.shape) for value in variables]
            total = self._weighted(variables)
        zero = tf.UnconnectedGradients.ZERO
        gradients = tape.gradient(total, values, unconnected_gradients=zero)
        self._gradients = [gradient.numpy() for gradient in gradients]
        self._start = float(total)
        sizes = zip(self._weights, measured.rounding, variables, strict=True)
        self._rounding = _ROUNDING * sum(
            float(tf.reduce_sum(_or_zero(tf.abs(weight) * size, where=value)))
            for weight, size, value in sizes
        )

    def error(self, direction: Direction, step: float) -> tuple[float, float]:
        """The error in a direction, and the shortest step that was tried."""
        products = [
            gradient * way
            for gradient, way in zip(self._gradients, direction.ways, strict=True)
        ]
        derivative = sum(float(product.sum()) for product in products)
        squares = sum(float(np.sum(product**2)) for product in products)
        floor = _CANCELLED * np.sqrt(squares) + 1e-300
        # A central difference adds values times 1 and 1, others times 3, 4 and 1.
        rounding = self._rounding * (4.0 if direction.one_sided else 1.0)
        least, length, first = np.inf, step, np.inf
        for length in (step * factor for factor in _SHORTER):
            difference = direction.difference(self._at, self._start, length)
            gap = abs(difference - derivative)
            # A fault stays what it is at shorter steps, where rounding is larger.
            unseen = gap <= min(rounding / length, _FALLS * first)
            first = min(first, gap)
            own_floor = rounding / length / _AGREES if unseen else floor
            least = min(least, gap / max(abs(difference), abs(derivative), own_floor))
            if least <= _AGREES:
                break
        return float(least), length

    def _at(self, values: list[tf.Tensor]) -> float:
        return float(self._weighted(self._pipeline(values).variables))

    def _weighted(self, variables: tuple[tf.Tensor, ...]) -> tf.Tensor:
        pairs = zip(self._weights, variables, strict=True)
        return tf.add_n(
            [tf.reduce_sum(_or_zero(weight * value, value)) for weight, value in pairs]
        )


def _words(
    pipeline: Pipeline,
    values: list[tf.Tensor],
    errors: list[float],
    spoiled: list[tuple[Direction, float]],
) -> str:
    """The report in words; kinks are looked for in the directions that are spoiled."""
    most, count = max(errors), len(errors)
    if not spoiled:
        return f"agrees: the largest of {count} relative errors is {most:.2g}"
    kinks = Kinks(pipeline, values)
    rows: list[Row | None] = [kinks.within(*each) for each in spoiled]
    wrong = f"{len(spoiled)} of {count} relative errors are above {_FAULT:g}"
    if all(rows):
        row = min((row for row in rows if row), key=lambda row: row.distance)
        return (
            f"kink near: {wrong}, up to {most:.2g}, where a constraint changes its "
            f"side within the step: {row}"
        )
    nearest = kinks.nearest()
    least = f"the nearest is {nearest}" if nearest else "no constraint has two sides"
    return f"disagrees: {wrong}, up to {most:.2g}, without a kink in the step; {least}"


def _or_zero(terms: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
    """The terms, and zero for elements without a solution, whose values are NaN."""
    return tf.where(tf.math.is_finite(where), terms, tf.zeros_like(terms))


def _require_some(status: tf.Tensor) -> None:
    """Raise SolverError where no element has a solution."""
    if not np.any(status.numpy() <= Status.INACCURATE):
        require_solved(status)
