"""The catalogue: a named problem for every cone and every feature of the package.

A row states a problem and samples parameters at which its solution is unique and
smooth. Quadratic programs are built backwards, from a strictly complementary primal and
dual point, so that this is certain.
"""

import dataclasses
import functools
from collections.abc import Callable, Collection
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from tf_cvxlayers import CvxpyLayer
from tf_cvxlayers.engines import Diffcp, InteriorPoint


@dataclasses.dataclass(frozen=True)
class Statement:
    """A CVXPY problem, the parameters it is fed, and the variables it returns."""

    problem: cp.Problem
    parameters: list[cp.Parameter]
    variables: list[cp.Variable]


@dataclasses.dataclass(frozen=True)
class Case:
    """A row of the catalogue.

    Attributes:
        name: of the row, and of its tests.
        state: a new statement of the problem.
        sample: values of its parameters for one batch element.
        gp: whether it is a geometric program.
        engine: what solves it.
        tolerance: what gradients have to agree to with central differences.
    """

    name: str
    state: Callable[[], Statement]
    sample: Callable[[np.random.Generator], list[Any]]
    gp: bool = False
    engine: Any = "auto"
    tolerance: float = 1e-5

    def __str__(self) -> str:
        return self.name

    @functools.cache  # noqa: B019 - the catalogue lives as long as the tests do
    def layer(self) -> CvxpyLayer:
        """The float64 layer that tests share: its graphs are traced once."""
        return self.new_layer()

    def new_layer(self, **options: Any) -> CvxpyLayer:
        """A layer for the problem, which returns a tuple; float64 unless told."""
        statement = self.state()
        options = {"dtype": "float64", "engine": self.engine, **options}
        return CvxpyLayer(
            statement.problem,
            statement.parameters,
            statement.variables,
            gp=self.gp,
            **options,
        )

    def values(self, *batch: int, seed: int = 0) -> list[np.ndarray]:
        """Values of the parameters, of shape `[*batch, *parameter.shape]`."""
        rng = np.random.default_rng([seed, *self.name.encode()])
        rows = [self.sample(rng) for _ in range(int(np.prod(batch, dtype=int)))]
        if not rows:
            sizes = [np.shape(value) for value in self.sample(rng)]
            return [np.zeros((*batch, *size)) for size in sizes]
        return [
            np.stack(value).astype(float).reshape((*batch, *np.shape(value[0])))
            for value in zip(*rows, strict=True)
        ]


def backward_qp(rng, n=5, equalities=2, inequalities=4, L=None):
    """`(P, q, A, b, G, h)` of a random QP with half of its inequalities active."""
    L = _well_conditioned(rng, n, n) if L is None else L
    rows = _well_conditioned(rng, equalities + inequalities, n)
    A, G = rows[:equalities], rows[equalities:]
    x, nu = rng.normal(size=n), rng.normal(size=equalities)
    active = np.arange(inequalities) < inequalities // 2
    distance = rng.uniform(0.5, 1.5, size=inequalities)
    s, lam = np.where(active, 0.0, distance), np.where(active, distance, 0.0)
    q = -(L.T @ (L @ x) + A.T @ nu + G.T @ lam)
    return L.T @ L, q, A, A @ x, G, G @ x + s


def _well_conditioned(rng, rows, columns):
    """Rows of which the first `columns` are far from dependent."""
    Q, _ = np.linalg.qr(rng.normal(size=(columns, columns)))
    more = rng.normal(size=(max(rows - columns, 0), columns))
    return np.vstack([Q[:rows], more]) + 0.1 * rng.normal(size=(rows, columns))


def _symmetric(rng, n):
    S = rng.normal(size=(n, n))
    return S + S.T


def qp_parameters(n=5, equalities=2, inequalities=4):
    """CVXPY's parameters for `q, A, b, G, h`."""
    return [
        cp.Parameter(n, name="q"),
        cp.Parameter((equalities, n), name="A"),
        cp.Parameter(equalities, name="b"),
        cp.Parameter((inequalities, n), name="G"),
        cp.Parameter(inequalities, name="h"),
    ]


def qp_quad_form() -> Statement:
    P = cp.Parameter((5, 5), PSD=True, name="P")
    q, A, b, G, h = qp_parameters()
    x = cp.Variable(5, name="x")
    objective = cp.Minimize(0.5 * cp.quad_form(x, P) + q @ x)
    problem = cp.Problem(objective, [A @ x == b, G @ x <= h])
    return Statement(problem, [P, q, A, b, G, h], [x])


def optnet(n=5, equalities=2, inequalities=4) -> Statement:
    """OptNet's QP: all six parameters, and the duals of both constraints."""
    L = cp.Parameter((n, n), name="L")
    q, A, b, G, h = qp_parameters(n, equalities, inequalities)
    x = cp.Variable(n, name="x")
    objective = cp.Minimize(0.5 * cp.sum_squares(L @ x) + q @ x)
    constraints = [A @ x == b, G @ x <= h]
    duals = [constraint.dual_variables[0] for constraint in constraints]
    problem = cp.Problem(objective, constraints)
    return Statement(problem, [L, q, A, b, G, h], [x, *duals])


def optnet_sample(rng, n=5, equalities=2, inequalities=4):
    L = _well_conditioned(rng, n, n)
    return [L, *backward_qp(rng, n, equalities, inequalities, L)[1:]]


def maximized_nsd() -> Statement:
    N = cp.Parameter((3, 3), NSD=True, name="N")
    q, x = cp.Parameter(3, name="q"), cp.Variable(3, name="x")
    problem = cp.Problem(cp.Maximize(cp.quad_form(x, N) + q @ x), [cp.sum(x) == 1])
    return Statement(problem, [N, q], [x])


def _nsd_sample(rng):
    L = rng.normal(size=(3, 3))
    return [-(L @ L.T) - np.eye(3), rng.normal(size=3)]


def lp_vertex() -> Statement:
    c, x = cp.Parameter(3, name="c"), cp.Variable(3, name="x")
    G, h = cp.Parameter((6, 3), name="G"), cp.Parameter(6, name="h")
    below = G @ x <= h
    problem = cp.Problem(cp.Minimize(c @ x), [below])
    return Statement(problem, [c, G, h], [x, below.dual_variables[0]])


def _vertex_sample(rng):
    # Three active rows, well away from dependent, and three with slack.
    G = _well_conditioned(rng, 6, 3)
    x, slack = rng.normal(size=3), np.r_[np.zeros(3), rng.uniform(1, 2, size=3)]
    return [-G[:3].T @ rng.uniform(0.5, 1.5, size=3), G, G @ x + slack]


def relu() -> Statement:
    """The ReLU layer `max(W x + b, 0)`; `W` is copied into a variable for DPP."""
    x, b = cp.Parameter(3, name="x"), cp.Parameter(4, name="b")
    W = cp.Parameter((4, 3), name="W")
    z, copy = cp.Variable(4, name="z"), cp.Variable((4, 3), name="copy")
    objective = cp.Minimize(cp.sum_squares(z - copy @ x - b))
    problem = cp.Problem(objective, [z >= 0, copy == W])
    return Statement(problem, [x, W, b], [z])


def _relu_sample(rng):
    x, W = rng.normal(size=3), rng.normal(size=(4, 3))
    away_from_zero = rng.choice([-1.0, 1.0], size=4) * rng.uniform(0.5, 1.5, size=4)
    return [x, W, away_from_zero - W @ x]


def allocation() -> Statement:
    """Least squares over `x >= low`, `sum(x) <= total`; a large `low` is infeasible."""
    A, b = cp.Parameter((4, 3), name="A"), cp.Parameter(4, name="b")
    low, total = cp.Parameter(3, name="low"), cp.Parameter(name="total")
    x = cp.Variable(3, name="x")
    objective = cp.Minimize(cp.sum_squares(A @ x - b))
    problem = cp.Problem(objective, [x >= low, cp.sum(x) <= total])
    return Statement(problem, [A, b, low, total], [x])


def _allocation_sample(rng):
    A = _well_conditioned(rng, 4, 3)
    return [A, 2.0 * rng.normal(size=4), -rng.uniform(0.5, 1.0, size=3), rng.random()]


def ellipsoid() -> Statement:
    """Projection onto `{x : ||A x|| <= r}`: one second-order cone."""
    p, r = cp.Parameter(3, name="p"), cp.Parameter(name="r", nonneg=True)
    A, x = cp.Parameter((3, 3), name="A"), cp.Variable(3, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [cp.norm(A @ x) <= r])
    return Statement(problem, [p, A, r], [x])


def _ellipsoid_sample(rng):
    p, A = rng.normal(size=3), _well_conditioned(rng, 3, 3)
    return [p, A, rng.uniform(0.3, 0.7) * np.linalg.norm(A @ p)]


def sum_of_norms() -> Statement:
    """Two second-order cones of different size, a linear objective, a cone's duals."""
    A, b = cp.Parameter((4, 2), name="A"), cp.Parameter(4, name="b")
    weight = cp.Parameter(name="weight", pos=True)
    x, t = cp.Variable(2, name="x"), cp.Variable(name="t")
    cone = cp.SOC(t, A @ x - b)
    problem = cp.Problem(cp.Minimize(t + weight * cp.norm(x)), [cone])
    return Statement(problem, [A, b, weight], [x, t, *cone.dual_variables])


def spectraplex() -> Statement:
    """Two PSD cones of different order, coupled by their traces."""
    C, D = (
        cp.Parameter((3, 3), name="C", symmetric=True),
        cp.Parameter((2, 2), name="D", symmetric=True),
    )
    t = cp.Parameter(name="t", pos=True)
    X, Y = cp.Variable((3, 3), PSD=True, name="X"), cp.Variable((2, 2), name="Y")
    psd = Y >> 0
    objective = cp.Minimize(cp.sum_squares(X - C) + cp.sum_squares(Y - D))
    constraints = [cp.trace(X) + cp.trace(Y) == t, psd, Y == Y.T]
    problem = cp.Problem(objective, constraints)
    return Statement(problem, [C, D, t], [X, Y])


def _spectraplex_sample(rng):
    return [_symmetric(rng, 3), _symmetric(rng, 2), rng.uniform(1.0, 2.0)]


def maxcut() -> Statement:
    """A linear semidefinite program, with the duals of both constraints."""
    C, d = cp.Parameter((3, 3), name="C"), cp.Parameter(3, name="d", nonneg=True)
    X = cp.Variable((3, 3), symmetric=True, name="X")
    constraints = [cp.diag(X) == d, X >> 0]
    duals = [constraint.dual_variables[0] for constraint in constraints]
    problem = cp.Problem(cp.Minimize(cp.trace(C @ X)), constraints)
    return Statement(problem, [C, d], [X, *duals])


def softmax() -> Statement:
    x, y = cp.Parameter(4, name="x"), cp.Variable(4, name="y")
    objective = cp.Minimize(-x @ y - cp.sum(cp.entr(y)))
    problem = cp.Problem(objective, [cp.sum(y) == 1])
    return Statement(problem, [x], [y])


def log_sum_exp() -> Statement:
    A, b = cp.Parameter((3, 2), name="A"), cp.Parameter(3, name="b")
    x = cp.Variable(2, name="x")
    objective = cp.log_sum_exp(A @ x + b) + 0.5 * cp.sum_squares(x)
    return Statement(cp.Problem(cp.Minimize(objective)), [A, b], [x])


def power_projection() -> Statement:
    """Projection onto a power cone."""
    p, v = cp.Parameter(3, name="p"), cp.Variable(3, name="v")
    cone = cp.PowCone3D(v[0], v[1], v[2], 0.3)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(v - p)), [cone])
    return Statement(problem, [p], [v])


def cube() -> Statement:
    """`min sum x^3 + (1/2) ||x - p||^2`, so `x = (sqrt(1 + 12 p) - 1) / 6`."""
    p, x = cp.Parameter(2, name="p", nonneg=True), cp.Variable(2, name="x")
    cubes = cp.sum(cp.power(x, 3, approx=False))
    problem = cp.Problem(cp.Minimize(cubes + 0.5 * cp.sum_squares(x - p)))
    return Statement(problem, [p], [x])


def box_gp() -> Statement:
    """A geometric program with a parameter as an exponent."""
    x, y, z = (cp.Variable(pos=True, name=name) for name in "xyz")
    a, b = (cp.Parameter(pos=True, name=name) for name in "ab")
    c = cp.Parameter(name="c")
    constraints = [a * (x * y + x * z + y * z) <= b, x >= y**c]
    problem = cp.Problem(cp.Minimize(1 / (x * y * z)), constraints)
    return Statement(problem, [a, b, c], [x, y, z])


def attributes() -> Statement:
    """Diagonal, sparse, nonnegative and bounded parameters in one problem."""
    D = cp.Parameter((3, 3), diag=True, name="D")
    S = cp.Parameter((3, 3), sparsity=([0, 0, 2], [1, 2, 0]), name="S")
    b = cp.Parameter(3, name="b")
    weight = cp.Parameter(3, nonneg=True, name="weight")
    upper = cp.Parameter(3, bounds=[0.0, 2.0], name="upper")
    shift = cp.Parameter(nonpos=True, name="shift")
    x = cp.Variable(3, name="x")
    objective = cp.sum_squares(D @ x - b) + cp.sum_squares(S @ x - shift)
    objective += weight @ cp.abs(x)
    problem = cp.Problem(cp.Minimize(objective), [x <= upper])
    return Statement(problem, [D, S, b, weight, upper, shift], [x])


def _attributes_sample(rng):
    S = np.zeros((3, 3))
    S[[0, 0, 2], [1, 2, 0]] = rng.normal(size=3)
    return [
        np.diag(rng.uniform(1.0, 2.0, size=3)),
        S,
        3.0 * rng.normal(size=3),
        rng.uniform(0.1, 0.3, size=3),
        rng.uniform(0.5, 1.5, size=3),
        -rng.uniform(0.5, 1.0),
    ]


def matrix_variable() -> Statement:
    """A matrix-valued solution between matrix-valued parameters."""
    A, B = cp.Parameter((4, 3), name="A"), cp.Parameter((4, 2), name="B")
    low = cp.Parameter((3, 2), name="low")
    X = cp.Variable((3, 2), name="X")
    objective = cp.Minimize(cp.sum_squares(A @ X - B) + cp.sum_squares(X))
    bound = low <= X
    problem = cp.Problem(objective, [bound])
    return Statement(problem, [A, B, low], [X, bound.dual_variables[0]])


def _matrix_sample(rng):
    return [rng.normal(size=s) for s in [(4, 3), (4, 2), (3, 2)]]


def shapes() -> Statement:
    """Scalars, single-entry vectors, rows and columns, as parameters and variables."""
    a, b = cp.Parameter(name="a"), cp.Parameter(1, name="b")
    row, column = cp.Parameter((1, 3), name="row"), cp.Parameter((2, 1), name="column")
    s, u = cp.Variable(name="s"), cp.Variable(1, name="u")
    r, k = cp.Variable((1, 3), name="r"), cp.Variable((2, 1), name="k")
    objective = cp.square(s - a) + cp.sum_squares(u - b) + cp.sum_squares(r - row)
    objective += cp.sum_squares(k - column)
    problem = cp.Problem(
        cp.Minimize(objective), [s + cp.sum(u) <= cp.sum(r), cp.sum(k) == a]
    )
    return Statement(problem, [a, b, row, column], [s, u, r, k])


def _shapes_sample(rng):
    a, row = rng.normal(), rng.normal(size=(1, 3))
    return [a, [row.sum() - a + 1.0], row, rng.normal(size=(2, 1))]


_SCS, _CLARABEL = Diffcp(solver="scs"), Diffcp()

CATALOGUE: tuple[Case, ...] = (
    Case("qp_quad_form", qp_quad_form, lambda rng: [*backward_qp(rng)], tolerance=1e-6),
    Case("optnet", optnet, optnet_sample, tolerance=1e-6),
    Case("maximized_nsd", maximized_nsd, _nsd_sample, tolerance=1e-6),
    Case("lp_vertex", lp_vertex, _vertex_sample, tolerance=1e-6),
    Case("relu", relu, _relu_sample, tolerance=1e-6),
    Case("allocation", allocation, _allocation_sample, tolerance=1e-6),
    Case("attributes", attributes, _attributes_sample, tolerance=1e-6),
    Case("matrix_variable", matrix_variable, _matrix_sample, tolerance=1e-6),
    Case("shapes", shapes, _shapes_sample, tolerance=1e-6),
    Case("ellipsoid", ellipsoid, _ellipsoid_sample),
    Case(
        "sum_of_norms",
        sum_of_norms,
        lambda rng: [
            rng.normal(size=(4, 2)),
            rng.normal(size=4),
            0.1 + 0.1 * rng.random(),
        ],
    ),
    Case("spectraplex", spectraplex, _spectraplex_sample, engine=_CLARABEL),
    Case(
        "maxcut",
        maxcut,
        lambda rng: [_symmetric(rng, 3), rng.uniform(1.0, 2.0, size=3)],
        engine=_CLARABEL,
    ),
    Case("softmax", softmax, lambda rng: [rng.normal(size=4)], engine=_CLARABEL),
    Case(
        "log_sum_exp",
        log_sum_exp,
        lambda rng: [rng.normal(size=(3, 2)), rng.normal(size=3)],
        engine=_CLARABEL,
    ),
    Case(
        "power_projection",
        power_projection,
        lambda rng: [[1.0, 1.0, 3.0] + 0.3 * rng.normal(size=3)],
        engine=_SCS,
    ),
    Case("cube", cube, lambda rng: [rng.uniform(0.5, 2.0, size=2)], engine=_SCS),
    Case(
        "box_gp",
        box_gp,
        lambda rng: [2.0 + rng.random(), 1.0 + rng.random(), 0.4 + 0.2 * rng.random()],
        gp=True,
        engine=_CLARABEL,
    ),
)
_CURVED = ("spectraplex", "softmax", "power_projection")
_IN_OPS = tuple(
    dataclasses.replace(case, name=f"{case.name}_in_ops", engine=InteriorPoint())
    for case in CATALOGUE
    if case.name in ("optnet", "ellipsoid", "shapes", *_CURVED)
)
# What other engines solve, in TensorFlow's operations too.
CATALOGUE += _IN_OPS
BY_NAME = {case.name: case for case in CATALOGUE}


def _rows(
    fast: Collection[str], slow: Collection[str] = BY_NAME
) -> pytest.MarkDecorator:
    """Takes these rows in the fast suite, and others in the slow one.

    All tests of a row run in one worker, where its layer is traced.
    """
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(
                case,
                marks=[
                    pytest.mark.xdist_group(case.name),
                    *([] if case.name in fast else [pytest.mark.slow]),
                ],
            )
            for case in CATALOGUE
            if case.name in {*fast, *slow}
        ],
        ids=str,
    )


every_case = _rows(BY_NAME)
_OF_ONE_KIND = ("spectraplex", "softmax", "power_projection", "box_gp")
_KINDS = ("optnet", "ellipsoid", "optnet_in_ops", "ellipsoid_in_ops", *_OF_ONE_KIND)
# For properties that take seconds to check: one row for each kind of cone; and, for
# those that have little to do with the cone and much with graphs, whose traces take
# long, one for each engine; or one alone.
each_kind = _rows(_KINDS)
each_way = _rows(
    ("ellipsoid", "ellipsoid_in_ops", "softmax"), slow=("optnet", "spectraplex")
)
one_row = _rows(("softmax",), slow=("optnet", "ellipsoid"))
