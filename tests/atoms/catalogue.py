"""Every atom of CVXPY, and an expression with it.

Names that are classes behind an atom, or ways to write one, stand with it.
"""

import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import cvxpy as cp
import numpy as np

CONVEX, CONCAVE, AFFINE = "convex", "concave", "affine"
GEOMETRIC, REFUSED = "geometric", "refused"


class Row(NamedTuple):
    """An atom.

    Attributes:
        name: in `cvxpy`.
        curvature: convex, concave or affine; geometric for one of DGP alone;
            refused for one that no convex problem has.
        of: the expression, of an affine one.
        shape: of that.
        matrix: `"symmetric"` or `"PSD"` for one of symmetric matrices.
        positive: whether its entries are to be positive.
        second: with a parameter as another argument, if it has one that may be one.
        options: of that parameter, and its value.
    """

    name: str
    curvature: str
    of: Callable[[Any], Any]
    shape: tuple[int, ...] = (3,)
    matrix: str = ""
    positive: bool = False
    second: Callable[[Any, Any], Any] | None = None
    options: Mapping[str, Any] = types.MappingProxyType({})


S = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.0]])
W = np.array([1.0, -0.5, 2.0])
SQUARE = {"shape": (3, 3)}
SYMMETRIC = {"shape": (3, 3), "matrix": "symmetric"}
PSD = {"shape": (3, 3), "matrix": "PSD"}
POSITIVE = {"positive": True}
VECTOR = {"shape": (3,), "value": W}
MATRIX = {"shape": (3, 3), "value": S}
ABOVE = {"shape": (3,), "pos": True, "value": np.array([0.5, 3.0, 0.2])}
NUMBER = {"pos": True, "value": 0.7}


def _with(second: Any, options: Mapping[str, Any], **how: Any) -> dict[str, Any]:
    return {"second": second, "options": options, **how}


def _perspective(e: Any) -> tuple[Any, list[Any]]:
    """`|u|^2 / s` with `u` equal to an expression: the atom takes variables alone."""
    u, s = cp.Variable(e.shape), cp.Variable(nonneg=True)
    if e.value is not None:
        u.value, s.value = e.value, 1.0
    return cp.perspective(cp.sum_squares(u), s), [u == e, s <= 1]


def _square_of(e: Any) -> Any:
    return cp.bmat([[e[0], e[1]], [e[2], e[0]]])


def _row(curvature: str, name: str, of: Any = None, **how: Any) -> Row:
    atom = getattr(cp, name)
    return Row(name, curvature, of or atom, **how)


CATALOGUE = (
    _row(CONVEX, "abs"),
    _row(CONVEX, "cummax"),
    _row(CONVEX, "cvar", lambda e: cp.cvar(e, 0.5)),
    _row(CONVEX, "dotsort", lambda e: cp.dotsort(e, W), **_with(cp.dotsort, VECTOR)),
    _row(CONVEX, "exp"),
    _row(CONVEX, "huber", lambda e: cp.huber(e, 0.7), **_with(cp.huber, NUMBER)),
    _row(CONVEX, "inv_pos", **POSITIVE),
    _row(CONVEX, "inv_prod", **POSITIVE),
    _row(
        CONVEX,
        "kl_div",
        lambda e: cp.kl_div(e, [0.5, 3.0, 0.2]),
        **POSITIVE,
        **_with(cp.kl_div, ABOVE),
    ),
    _row(CONVEX, "lambda_max", **SYMMETRIC),
    _row(
        CONVEX, "lambda_sum_largest", lambda e: cp.lambda_sum_largest(e, 2), **SYMMETRIC
    ),
    _row(CONVEX, "log_sum_exp"),
    _row(CONVEX, "loggamma", **POSITIVE),
    _row(CONVEX, "logistic"),
    _row(
        CONVEX,
        "matrix_frac",
        lambda e: cp.matrix_frac(e, S),
        **_with(cp.matrix_frac, {"shape": (3, 3), "PSD": True, "value": S}),
    ),
    _row(CONVEX, "max"),
    _row(
        CONVEX,
        "maximum",
        lambda e: cp.maximum(e, [0.2, -0.4, 0.1]),
        **_with(cp.maximum, VECTOR),
    ),
    _row(CONVEX, "mixed_norm", lambda e: cp.mixed_norm(e, 2, 1), **SQUARE),
    _row(CONVEX, "neg"),
    _row(CONVEX, "norm"),
    _row(CONVEX, "norm1"),
    _row(CONVEX, "norm2"),
    _row(CONVEX, "normNuc", **SQUARE),
    _row(CONVEX, "norm_inf"),
    _row(CONVEX, "perspective", _perspective),
    _row(CONVEX, "pnorm", lambda e: cp.pnorm(e, 3)),
    _row(CONVEX, "pos"),
    _row(
        CONVEX,
        "power",
        lambda e: cp.power(e, 1.5),
        **POSITIVE,
    ),
    _row(CONVEX, "ptp"),
    _row(
        CONVEX,
        "quad_form",
        lambda e: cp.quad_form(e, S),
        **_with(cp.quad_form, {"shape": (3, 3), "PSD": True, "value": S}),
    ),
    _row(
        CONVEX,
        "quad_over_lin",
        lambda e: cp.quad_over_lin(e, 2.0),
        **_with(cp.quad_over_lin, NUMBER),
    ),
    _row(
        CONVEX,
        "quantum_rel_entr",
        lambda e: cp.quantum_rel_entr(e, S[:2, :2]),
        shape=(2, 2),
        matrix="PSD",
        **_with(
            cp.quantum_rel_entr, {"shape": (2, 2), "PSD": True, "value": S[:2, :2]}
        ),
    ),
    _row(
        CONVEX,
        "rel_entr",
        lambda e: cp.rel_entr(e, [0.5, 3.0, 0.2]),
        **POSITIVE,
        **_with(cp.rel_entr, ABOVE),
    ),
    _row(
        CONVEX,
        "scalene",
        lambda e: cp.scalene(e, 2.0, 0.5),
        **_with(lambda e, p: cp.scalene(e, p, 0.5), NUMBER),
    ),
    _row(CONVEX, "sigma_max", **SQUARE),
    _row(CONVEX, "square"),
    _row(CONVEX, "std"),
    _row(CONVEX, "sum_largest", lambda e: cp.sum_largest(e, 2)),
    _row(CONVEX, "sum_squares"),
    _row(CONVEX, "tr_inv", **PSD),
    _row(CONVEX, "tv"),
    _row(CONVEX, "var"),
    _row(CONVEX, "xexp", **POSITIVE),
    _row(CONCAVE, "entr", **POSITIVE),
    _row(CONCAVE, "geo_mean", **POSITIVE),
    _row(CONCAVE, "harmonic_mean", **POSITIVE),
    _row(CONCAVE, "lambda_min", **SYMMETRIC),
    _row(
        CONCAVE,
        "lambda_sum_smallest",
        lambda e: cp.lambda_sum_smallest(e, 2),
        **SYMMETRIC,
    ),
    _row(CONCAVE, "log", **POSITIVE),
    _row(CONCAVE, "log1p", **POSITIVE),
    _row(CONCAVE, "log_det", **PSD),
    _row(CONCAVE, "log_normcdf"),
    _row(CONCAVE, "min"),
    _row(
        CONCAVE,
        "minimum",
        lambda e: cp.minimum(e, [3.0, 2.0, -0.4]),
        **_with(cp.minimum, VECTOR),
    ),
    _row(
        CONCAVE,
        "quantum_cond_entr",
        lambda e: cp.quantum_cond_entr(e, [2, 1]),
        shape=(2, 2),
        matrix="PSD",
    ),
    _row(CONCAVE, "sqrt", **POSITIVE),
    _row(CONCAVE, "sum_smallest", lambda e: cp.sum_smallest(e, 2)),
    _row(CONCAVE, "von_neumann_entr", **PSD),
    _row(
        AFFINE,
        "bmat",
        lambda e: cp.bmat([[e, 2 * e], [e - 1, e.T]]),
        **SQUARE,
        **_with(lambda e, p: cp.bmat([[e, p]]), MATRIX),
    ),
    _row(AFFINE, "broadcast_to", lambda e: cp.broadcast_to(e, (2, 3))),
    _row(
        AFFINE,
        "concatenate",
        lambda e: cp.concatenate([e, 2 * e]),
        **_with(lambda e, p: cp.concatenate([e, p]), VECTOR),
    ),
    _row(AFFINE, "conj"),
    _row(
        AFFINE,
        "conv",
        lambda e: cp.vec(cp.conv(W, e), order="F"),
        **_with(lambda e, p: cp.vec(cp.conv(p, e), order="F"), VECTOR),
    ),
    _row(
        AFFINE,
        "convolve",
        lambda e: cp.convolve(W, e),
        **_with(lambda e, p: cp.convolve(p, e), VECTOR),
    ),
    _row(AFFINE, "cumsum"),
    _row(AFFINE, "deep_flatten", lambda e: cp.deep_flatten([e, [e[0], e[1]]])),
    _row(AFFINE, "diag"),
    _row(AFFINE, "diff"),
    _row(
        AFFINE,
        "einsum",
        lambda e: cp.einsum("ij,jk->ik", S, e),
        **SQUARE,
        **_with(lambda e, p: cp.einsum("ij,jk->ik", p, e), MATRIX),
    ),
    _row(AFFINE, "hermitian_wrap", **SYMMETRIC),
    _row(
        AFFINE,
        "hstack",
        lambda e: cp.hstack([e, 1.0, e[0]]),
        **_with(lambda e, p: cp.hstack([e, p]), VECTOR),
    ),
    _row(AFFINE, "imag", lambda e: cp.imag(e) + e),
    _row(
        AFFINE,
        "kron",
        lambda e: cp.kron(S[:2, :2], e),
        **SQUARE,
        **_with(lambda e, p: cp.kron(p, e), MATRIX),
    ),
    _row(
        AFFINE,
        "matmul",
        lambda e: cp.matmul(S, e),
        **_with(lambda e, p: cp.matmul(p, e), MATRIX),
    ),
    _row(AFFINE, "mean", lambda e: e - cp.mean(e)),
    _row(AFFINE, "moveaxis", lambda e: cp.moveaxis(e, 0, 1), **SQUARE),
    _row(
        AFFINE,
        "multiply",
        lambda e: cp.multiply(W, e),
        **_with(lambda e, p: cp.multiply(p, e), VECTOR),
    ),
    _row(
        AFFINE,
        "outer",
        lambda e: cp.outer(W, e),
        **_with(lambda e, p: cp.outer(p, e), VECTOR),
    ),
    _row(
        AFFINE,
        "partial_trace",
        lambda e: cp.partial_trace(e, [2, 2], 0),
        shape=(4, 4),
    ),
    _row(
        AFFINE,
        "partial_transpose",
        lambda e: cp.partial_transpose(e, [2, 2], 0),
        shape=(4, 4),
    ),
    _row(AFFINE, "permute_dims", lambda e: cp.permute_dims(e, (1, 0)), **SQUARE),
    _row(AFFINE, "promote", lambda e: cp.promote(cp.sum(e), (2, 2))),
    _row(AFFINE, "psd_wrap", **SYMMETRIC),
    _row(AFFINE, "real"),
    _row(AFFINE, "reshape", lambda e: cp.reshape(e, (9,), order="F"), **SQUARE),
    _row(
        AFFINE,
        "scalar_product",
        lambda e: cp.scalar_product(W, e),
        **_with(lambda e, p: cp.scalar_product(p, e), VECTOR),
    ),
    _row(
        AFFINE,
        "skew_symmetric_wrap",
        lambda e: cp.skew_symmetric_wrap(e - e.T),
        **SQUARE,
    ),
    _row(AFFINE, "squeeze", shape=(3, 1)),
    _row(
        AFFINE,
        "stack",
        lambda e: cp.stack([e, 2 * e]),
        **_with(lambda e, p: cp.stack([e, p]), VECTOR),
    ),
    _row(AFFINE, "sum"),
    _row(AFFINE, "swapaxes", lambda e: cp.swapaxes(e, 0, 1), **SQUARE),
    _row(AFFINE, "symmetric_wrap", **SYMMETRIC),
    _row(AFFINE, "trace", **SQUARE),
    _row(AFFINE, "transpose", **SQUARE),
    _row(AFFINE, "upper_tri", **SQUARE),
    _row(
        AFFINE,
        "vdot",
        lambda e: cp.vdot(W, e),
        **_with(lambda e, p: cp.vdot(p, e), VECTOR),
    ),
    _row(AFFINE, "vec", lambda e: cp.vec(e, order="C"), **SQUARE),
    _row(AFFINE, "vec_to_upper_tri"),
    _row(
        AFFINE,
        "vstack",
        lambda e: cp.vstack([e, 2 * e]),
        **_with(lambda e, p: cp.vstack([e, p]), VECTOR),
    ),
    _row(GEOMETRIC, "cumprod"),
    _row(
        GEOMETRIC,
        "diff_pos",
        lambda e: 1.0 / cp.diff_pos(4.0, e[0]),
        **_with(
            lambda e, p: 1.0 / cp.diff_pos(4.0 * p, e[0]), {"pos": True, "value": 1.1}
        ),
    ),
    _row(GEOMETRIC, "eye_minus_inv", lambda e: cp.eye_minus_inv(0.1 * _square_of(e))),
    _row(
        GEOMETRIC,
        "gmatmul",
        lambda e: cp.gmatmul(np.array([[1.0, 0.5, 2.0]]), e),
        **_with(
            lambda e, p: cp.gmatmul(p, e),
            {"shape": (1, 3), "value": np.array([[1.0, 0.5, 2.0]])},
        ),
    ),
    _row(GEOMETRIC, "one_minus_pos", lambda e: 1.0 / cp.one_minus_pos(0.2 * e)),
    _row(
        GEOMETRIC,
        "pf_eigenvalue",
        lambda e: cp.pf_eigenvalue(cp.bmat([[e[0], 1.0], [e[1], e[2]]])),
    ),
    _row(GEOMETRIC, "prod"),
    _row(GEOMETRIC, "resolvent", lambda e: cp.resolvent(_square_of(e), 9.0)),
    _row(REFUSED, "ceil"),
    _row(REFUSED, "condition_number", **PSD),
    _row(REFUSED, "dist_ratio", lambda e: cp.dist_ratio(e, W, 2 * W)),
    _row(REFUSED, "floor"),
    _row(
        REFUSED,
        "gen_lambda_max",
        lambda e: cp.gen_lambda_max(e, e + 5 * S),
        **SYMMETRIC,
    ),
    _row(REFUSED, "length"),
    _row(REFUSED, "sign"),
)
# Other names of the same: classes, and what operators make.
ALIASES = {
    "AddExpression": "+",
    "GeoMean": "geo_mean",
    "GeoMeanApprox": "geo_mean",
    "MatrixFrac": "matrix_frac",
    "MulExpression": "matmul",
    "Pnorm": "pnorm",
    "PnormApprox": "pnorm",
    "Power": "power",
    "PowerApprox": "power",
    "Prod": "prod",
    "QuadForm": "quad_form",
    "Sum": "sum",
    "Trace": "trace",
}


def names() -> list[str]:
    """The names of atoms that `cvxpy` exports."""
    return [
        name
        for name in sorted(dir(cp))
        if str(getattr(getattr(cp, name), "__module__", "")).startswith("cvxpy.atoms")
        and callable(getattr(cp, name))
    ]
