"""What the cones that a smooth surface bounds have in common, in three dimensions.

`K = {g >= 0}` near the surface `g(s) = 0`, with `g` concave. With `u = s - y` and `s`
the projection of `u` onto `K`,

    s - u = mu grad g(s),   g(s) = 0,   mu >= 0,

so that `y = mu grad g(s)`. Differentiating both, with `H = -mu hess g(s)`, which is
positive semidefinite, and `c = grad g(s)`,

    [ I + H   -c ] [ ds  ]   [ du ]
    [   c'     0 ] [ dmu ] = [ 0  ]

gives `ds = E du`, where `E` is the inverse of `I + H` in the plane across `c`. The
derivative of the projection onto the dual cone at `v = y - s = -u` is `D = I - E`.
(Friberg, "Projection onto the exponential cone", 2021, has the projection itself.)
Since `g(t s) = t g(s)`, `c's = g(s) = 0` and `H s = 0` (Euler). So the eigenvectors of
`D` are `c`, `s` and what is across both, `r`, of unit length, with the eigenvalues

    1,   0,   h / (1 + h),   h = r'H r.

Off the smooth surface: `y = 0` with `s` inside gives `D = 0`, `s = 0` with `y` inside
the dual cone gives `D = I`, and on a flat face `D` is that of the face.
"""

import abc

import numpy as np
import tensorflow as tf

from tf_cvxlayers.optimality.cones.protocol import ConeGeometry

# Of `y` and `s` one counts as zero when it is so much smaller than the other one: at a
# strictly complementary solution the two are many orders of magnitude apart.
_VANISHING = 1e-7

# Relative to a vector, how far it may be outside of its cone by rounding.
ROUNDING = 1e-12


class SmoothCone(ConeGeometry):
    """A cone in three dimensions that a smooth surface bounds. Abstract."""

    @abc.abstractmethod
    def surface(self, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`grad g [C, 3]` and `hess g [C, 3, 3]` at `s [C, 3]`."""

    @abc.abstractmethod
    def last_on_surface(self, s: tf.Tensor) -> tf.Tensor:
        """The last coordinate `[C]` that brings `s` onto the surface."""

    def on_surface(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        """The point of the surface next to a pair, `[C, 3]`: `s` with another last
        coordinate."""
        return tf.stack([s[:, 0], s[:, 1], self.last_on_surface(s)], axis=1)

    def on_face(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        """One for each coordinate that a flat face holds at zero, else zero: `[C, 3]`.

        There the projection is, to first order, that onto a product of half-lines.
        """
        return tf.cast(tf.abs(s) <= tf.abs(y), s.dtype)

    @abc.abstractmethod
    def from_dual(self) -> np.ndarray:
        """The matrix `T [3, 3]` that takes the dual cone to the cone."""

    def on_sides(self, v: tf.Tensor) -> tf.Tensor:
        """The entries of `v [C, 3]` whose signs tell where it is next to a flat face:
        `[C, 1 to 3]`."""
        return v

    @property
    def milliseconds(self) -> float:
        return 0.024

    @property
    def compiled_milliseconds(self) -> float:
        return 0.007

    @property
    def keeps_axes(self) -> bool:
        return False

    def pair(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Where `y - s` is in `-K`, or in the dual cone, as tangents tell, `y` or `s`
        is zero. Else `s` is moved onto the surface, and `y` becomes the nearest
        multiple of `grad g(s)`: a retraction."""
        on_surface = self.on_surface(y, s)
        gradient, _ = self.surface(on_surface)
        normal = tf.expand_dims(_multiplier(gradient, y), 1) * gradient
        finite = tf.expand_dims(_is_finite(on_surface) & _is_finite(normal), 1)
        active = self.on_face(y, s)
        on_surface = tf.where(finite, on_surface, (1.0 - active) * s)
        normal = tf.where(finite, normal, active * y)
        inside = self._are_inside_by(y, s)
        no_y, no_s = (
            tf.expand_dims(flag | deep, 1)
            for flag, deep in zip(_vanishing(y, s), inside, strict=True)
        )
        return (
            tf.where(no_y, tf.zeros_like(y), tf.where(no_s, y, normal)),
            tf.where(no_s, tf.zeros_like(s), tf.where(no_y, s, on_surface)),
        )

    def spectrum(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        gradient, hessian = self.surface(s)
        mu = _multiplier(gradient, y)
        across, along = _normalized(gradient), _normalized(s)
        rest = _normalized(tf.linalg.cross(across, along))
        bent = tf.reduce_sum(rest * tf.linalg.matvec(hessian, rest), axis=1)
        h = tf.nn.relu(-mu * bent)
        one, zero = tf.ones_like(mu), tf.zeros_like(mu)
        values = tf.stack([one, zero, h / (1.0 + h)], axis=1)
        basis = tf.stack([across, along, rest], axis=2)
        finite = tf.expand_dims(
            _is_finite(values) & _is_finite(across) & _is_finite(rest), 1
        )
        no_y, no_s = (tf.expand_dims(flag, 1) for flag in _vanishing(y, s))
        smooth = finite & ~no_y & ~no_s
        sides = tf.where(no_s, tf.ones_like(s), self.on_face(y, s))
        sides = tf.where(no_y, tf.zeros_like(s), sides)
        values = tf.where(smooth, values, sides)
        eye = tf.eye(3, dtype=s.dtype)
        return values, tf.where(tf.expand_dims(smooth, 2), basis, eye)

    def sides(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        """The regions of `v` are `-K`, with `y = 0`; `K*`, with `s = 0`; that of the
        smooth surface; and those of flat faces. The distance of `v` to `-K` is `|y|`,
        and to `K*` it is `|s|` (Moreau); within them, it is that of `s`, or `y`, to the
        surface."""
        no_y, no_s = _vanishing(y, s)
        gradient, _ = self.surface(s)
        on_face = ~_is_finite(gradient) & ~no_y & ~no_s
        of_s, of_y = _depth(gradient, s), self._depth_in_dual(y)
        from_K = tf.where(no_y, -of_s, tf.norm(y, axis=1))
        from_dual = tf.where(no_s, -of_y, tf.norm(s, axis=1))
        faces = tf.where(
            tf.expand_dims(on_face, 1), self.on_sides(y - s), tf.expand_dims(from_K, 1)
        )
        return tf.concat(
            [tf.expand_dims(from_K, 1), tf.expand_dims(from_dual, 1), faces], axis=1
        )

    def _depth_in_dual(self, y: tf.Tensor) -> tf.Tensor:
        T = tf.constant(self.from_dual(), y.dtype)
        gradient, _ = self.surface(tf.linalg.matvec(T, y))
        return _depth(tf.linalg.matvec(T, gradient, transpose_a=True), y)

    def _are_inside_by(self, y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Whether `s` is in the cone by more than `y` is long, and `y` in the dual cone
        by more than `s` is: bool `[C]` each."""
        of_s, of_y = _depth(self.surface(s)[0], s), self._depth_in_dual(y)
        return tf.norm(y, axis=1) <= of_s, tf.norm(s, axis=1) <= of_y

    def are_inside(self, y: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
        T = tf.constant(self.from_dual(), y.dtype)
        return self.contains(s) & self.contains(tf.linalg.matvec(T, y))

    @abc.abstractmethod
    def contains(self, s: tf.Tensor) -> tf.Tensor:
        """Whether `s [C, 3]` lies in the cone, but for rounding: bool `[C]`."""

    def turned(self, basis: tf.Tensor, part: tf.Tensor, transpose: bool) -> tf.Tensor:
        return tf.matmul(basis, part, transpose_a=transpose)


def matrix(rows: list[list[tf.Tensor]]) -> tf.Tensor:
    """The matrices `[C, 3, 3]` with these entries, `[C]` each."""
    return tf.stack([tf.stack(row, axis=1) for row in rows], axis=1)


def _normalized(v: tf.Tensor) -> tf.Tensor:
    return v / tf.norm(v, axis=1, keepdims=True)


def _multiplier(gradient: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The `mu [C]` for which `mu grad g` is closest to `y`."""
    size = tf.reduce_sum(gradient * gradient, axis=1)
    return tf.nn.relu(tf.reduce_sum(gradient * y, axis=1) / size)


def _depth(gradient: tf.Tensor, point: tf.Tensor) -> tf.Tensor:
    """How far a point of the cone is from its surface at least, `g / |grad g|`: exact
    to first order, and zero where there is no gradient. `[C]`.

    Since `g` is concave, the surface is no nearer than where the tangent of `g` is
    zero. Since `g(t s) = t g(s)`, `g(s) = s'grad g(s)` (Euler).
    """
    value = tf.reduce_sum(gradient * point, axis=1)
    depth = tf.nn.relu(value / tf.norm(gradient, axis=1))
    return tf.where(tf.math.is_finite(depth), depth, tf.zeros_like(depth))


def _vanishing(y: tf.Tensor, s: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Whether `y`, and whether `s`, is zero up to a solver's accuracy: `[C]` each."""
    size_y = tf.reduce_max(tf.abs(y), axis=1)
    size_s = tf.reduce_max(tf.abs(s), axis=1)
    return size_y <= _VANISHING * size_s, size_s <= _VANISHING * size_y


def _is_finite(value: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(tf.math.is_finite(value), axis=1)
