"""What the values of a parameter must satisfy: its CVXPY attribute, bounds, sparsity.

One object carries each of these through the package: the words for it, whether a value
has it, how a weight keeps it in training, and which directions stay inside for a
difference. A new attribute is a class here, a line in `ATTRIBUTES`, and a name in
`program.cone_program.ATTRIBUTE_NAMES`.
"""

import abc
import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_cvxlayers.errors import numbered
from tf_cvxlayers.program.cone_program import ParameterSpec

# A strictly positive weight stays at least this far from zero.
_POSITIVE = 1e-6
# Of differences between entries, and of eigenvalues, that rounding leaves.
_SEVERAL = 10.0


class Constraint(abc.ABC):
    """One thing that the values of a parameter must satisfy. Abstract."""

    @property
    @abc.abstractmethod
    def words(self) -> str:
        """What a value must be, after "Expected parameter ... to be"."""

    @property
    @abc.abstractmethod
    def note(self) -> str:
        """The constraint in a word or two, for a list."""

    @abc.abstractmethod
    def holds(self, value: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
        """Which elements satisfy it, bool `[B]`.

        Args:
            value: float64 `[B, size]`, finite.
            rounding: how far off an entry may be by rounding, `[B, 1]`.
        """

    @abc.abstractmethod
    def nearest(self, value: tf.Tensor) -> tf.Tensor:
        """The nearest value `[*shape]` that satisfies it, up to rounding."""

    def inside(self, way: np.ndarray, value: np.ndarray, reach: float) -> np.ndarray:
        """A direction like `way` along which steps up to `reach` stay inside.

        What holds with equality is left as it is, and where a step either way could
        leave, the direction is turned inward. Doing it again changes nothing.

        Args:
            way, value: `[*batch, *shape]`.
            reach: below one.
        """
        return way


@dataclasses.dataclass(frozen=True)
class Sign(Constraint):
    """Every entry times `sign` is at least zero, or, if `strict`, above it."""

    name: str
    adjective: str
    sign: float
    strict: bool

    @property
    def words(self) -> str:
        return f"{self.adjective} ({self.name}=True)"

    @property
    def note(self) -> str:
        return self.name

    def holds(self, value: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
        signed = self.sign * value
        return _every(signed > 0 if self.strict else signed >= -rounding)

    def nearest(self, value: tf.Tensor) -> tf.Tensor:
        least = _POSITIVE if self.strict else 0.0
        return self.sign * tf.maximum(self.sign * value, least)

    def inside(self, way: np.ndarray, value: np.ndarray, reach: float) -> np.ndarray:
        if self.strict:
            # Relative to the entry itself: it may be the argument of a logarithm.
            return np.clip(way, -np.abs(value), np.abs(value))
        at_border = self.sign * value < reach * np.abs(way)
        return np.where(at_border, self.sign * np.abs(way), way)


@dataclasses.dataclass(frozen=True)
class Symmetric(Constraint):
    """A symmetric matrix of the given order."""

    order: int

    @property
    def words(self) -> str:
        return "symmetric (symmetric=True)"

    @property
    def note(self) -> str:
        return "symmetric"

    def holds(self, value: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
        matrix = tf.reshape(value, [-1, self.order, self.order])
        gap = tf.abs(matrix - tf.linalg.matrix_transpose(matrix))
        return tf.reduce_all(gap <= _SEVERAL * tf.expand_dims(rounding, 2), axis=[1, 2])

    def nearest(self, value: tf.Tensor) -> tf.Tensor:
        return 0.5 * (value + tf.linalg.matrix_transpose(value))

    def inside(self, way: np.ndarray, value: np.ndarray, reach: float) -> np.ndarray:
        return 0.5 * (way + way.swapaxes(-1, -2))


@dataclasses.dataclass(frozen=True)
class Semidefinite(Constraint):
    """A symmetric matrix that is positive semidefinite when multiplied by `sign`."""

    name: str
    adjective: str
    sign: float
    order: int

    @property
    def words(self) -> str:
        return f"symmetric {self.adjective} semidefinite ({self.name}=True)"

    @property
    def note(self) -> str:
        return self.name

    def holds(self, value: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
        # A Cholesky factor exists, up to the tolerance; cheaper than eigenvalues.
        matrix = tf.reshape(self.sign * value, [-1, self.order, self.order])
        eye = tf.eye(self.order, dtype=value.dtype)
        shift = _SEVERAL * tf.expand_dims(rounding, 2) * eye
        factor = tf.linalg.cholesky(matrix + shift + 1e-300 * eye)
        exists = tf.reduce_all(tf.math.is_finite(tf.linalg.diag_part(factor)), axis=1)
        return Symmetric(self.order).holds(value, rounding) & exists

    def nearest(self, value: tf.Tensor) -> tf.Tensor:
        symmetric = Symmetric(self.order)
        w, Q = tf.linalg.eigh(symmetric.nearest(self.sign * value))
        # Not down to zero: rounding in the weight's dtype must not make it indefinite.
        epsilon = np.finfo(value.dtype.as_numpy_dtype).eps
        floor = _SEVERAL * epsilon * tf.reduce_max(tf.abs(w))
        raised = tf.maximum(w, tf.cast(floor, w.dtype))
        return self.sign * symmetric.nearest(tf.matmul(Q * raised, Q, transpose_b=True))

    def inside(self, way: np.ndarray, value: np.ndarray, reach: float) -> np.ndarray:
        way = Symmetric(self.order).inside(way, value, reach)
        lowest = np.linalg.eigvalsh(self.sign * value)[..., :1, None]
        w = np.linalg.eigvalsh(self.sign * way)[..., None]
        # At the border, as much of the identity is added as makes it semidefinite.
        at_border = lowest < reach * np.abs(w).max(axis=-2, keepdims=True)
        missing = np.maximum(-w[..., :1, :], 0.0) * np.eye(self.order)
        return way + self.sign * np.where(at_border, missing, 0.0)


@dataclasses.dataclass(frozen=True)
class Diagonal(Constraint):
    """A diagonal matrix of the given order."""

    order: int

    @property
    def words(self) -> str:
        return "diagonal (diag=True)"

    @property
    def note(self) -> str:
        return "diag"

    def holds(self, value: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
        off_diagonal = np.flatnonzero(~np.eye(self.order, dtype=bool))
        return _every(tf.gather(value, off_diagonal, axis=1) == 0)

    def nearest(self, value: tf.Tensor) -> tf.Tensor:
        return tf.linalg.diag(tf.linalg.diag_part(value))

    def inside(self, way: np.ndarray, value: np.ndarray, reach: float) -> np.ndarray:
        return way * np.eye(self.order)


@dataclasses.dataclass(frozen=True, eq=False)
class Bounds(Constraint):
    """Every entry is between two numbers, each broadcast to the parameter's shape."""

    lower: np.ndarray
    upper: np.ndarray

    @property
    def words(self) -> str:
        return "within its bounds"

    @property
    def note(self) -> str:
        return "bounds"

    def holds(self, value: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
        lower, upper = (bound.reshape(1, -1) for bound in (self.lower, self.upper))
        return _every((value >= lower - rounding) & (value <= upper + rounding))

    def nearest(self, value: tf.Tensor) -> tf.Tensor:
        # In the value's dtype, rounded towards each other.
        dtype = value.dtype.as_numpy_dtype
        lower, upper = self.lower.astype(dtype), self.upper.astype(dtype)
        return tf.clip_by_value(
            value,
            np.where(lower < self.lower, np.nextafter(lower, upper), lower),
            np.where(upper > self.upper, np.nextafter(upper, lower), upper),
        )

    def inside(self, way: np.ndarray, value: np.ndarray, reach: float) -> np.ndarray:
        down = np.maximum(value - self.lower, 0.0)
        up = np.maximum(self.upper - value, 0.0)
        size = np.abs(way)
        at_border = np.minimum(down, up) < reach * size
        way = np.where(at_border, np.where(up >= down, size, -size), way)
        return np.clip(way, -down / reach, up / reach)


@dataclasses.dataclass(frozen=True, eq=False)
class Sparsity(Constraint):
    """Only the entries at `support`, flat indices in C order, may differ from zero."""

    shape: tuple[int, ...]
    support: np.ndarray

    @property
    def words(self) -> str:
        return "zero outside its sparsity"

    @property
    def note(self) -> str:
        return numbered(self.support.size, "entry", "entries")

    def holds(self, value: tf.Tensor, rounding: tf.Tensor) -> tf.Tensor:
        outside = np.flatnonzero(~self._mask.ravel())
        return _every(tf.gather(value, outside, axis=1) == 0)

    def nearest(self, value: tf.Tensor) -> tf.Tensor:
        return value * tf.constant(self._mask.astype(float), value.dtype)

    def inside(self, way: np.ndarray, value: np.ndarray, reach: float) -> np.ndarray:
        return way * self._mask

    @property
    def _mask(self) -> np.ndarray:
        size = int(np.prod(self.shape, dtype=np.int64))
        return np.isin(np.arange(size), self.support).reshape(self.shape)


def _every(condition: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(condition, axis=1)


# From the name of a CVXPY attribute to what makes its constraint of a parameter.
ATTRIBUTES: dict[str, Callable[[ParameterSpec], Constraint]] = {
    "nonneg": lambda _: Sign("nonneg", "nonnegative", 1.0, strict=False),
    "nonpos": lambda _: Sign("nonpos", "nonpositive", -1.0, strict=False),
    "pos": lambda _: Sign("pos", "positive", 1.0, strict=True),
    "neg": lambda _: Sign("neg", "negative", -1.0, strict=True),
    "symmetric": lambda spec: Symmetric(spec.shape[0]),
    "PSD": lambda spec: Semidefinite("PSD", "positive", 1.0, spec.shape[0]),
    "NSD": lambda spec: Semidefinite("NSD", "negative", -1.0, spec.shape[0]),
    "diag": lambda spec: Diagonal(spec.shape[0]),
}


def constraints_of(spec: ParameterSpec) -> list[Constraint]:
    """All that the values of a parameter must satisfy, in the order of the checks."""
    constraints = [ATTRIBUTES[name](spec) for name in spec.attributes]
    if spec.bounds is not None:
        bounds = (np.broadcast_to(bound, spec.shape) for bound in spec.bounds)
        constraints.append(Bounds(*bounds))
    if spec.support is not None:
        constraints.append(Sparsity(spec.shape, spec.support))
    return constraints
