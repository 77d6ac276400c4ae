"""What may be said instead of an expression that does not follow the rules of DPP."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import cvxpy as cp
from cvxpy.atoms.affine.binary_operators import (
    DivExpression,
    MulExpression,
    multiply,
)
from cvxpy.atoms.affine.conv import conv, convolve
from cvxpy.atoms.affine.kron import kron

from tf_cvxlayers.from_cvxpy.expressions import replaced, shown, without_shape

# How many entries the terms of a sum that is written out may have.
_LONGEST = 50


class Rewrite(NamedTuple):
    """What is put in the place of expressions of a problem.

    Attributes:
        words: how a user does it.
        places: pairs of an expression and what replaces it, or a function for that.
        constraints: what holds besides.
    """

    words: str
    places: list[tuple[Any, Any]]
    constraints: list[Any]


def candidates(node: Any, taken: set[str]) -> Iterator[Rewrite]:
    """What may be said instead of an expression, the best first; with names that are
    not taken."""
    yield from _written_out(node, taken)
    args = [without_shape(arg) for arg in _given(node)]
    for arg in args:
        yield from _with_variables(list(_products_within(arg)), taken)
        yield from _with_variables(list(_affine_within(arg)), taken)
    for arg in [node, *args]:
        if not arg.variables() and not isinstance(arg, cp.Parameter):
            yield _fed(arg, taken)
    for arg in args:
        for parameter in arg.parameters():
            yield _copied(node, parameter, taken)


def _written_out(node: Any, taken: set[str]) -> Iterator[Rewrite]:
    """Special forms of atoms whose own form CVXPY refuses with parameters."""
    if isinstance(node, cp.QuadForm) and not node.args[1].variables():
        x, P = node.args
        R = cp.Parameter(P.shape, name=_fresh("R", taken))
        words = (
            f"Feed a square root {R} of {P} ({R}.T @ {R} equal to it, such as the "
            f"transposed Cholesky factor) as a parameter, {R} = {_made(R)}, and write "
            f"cp.sum_squares({R} @ {_bracketed(x)}) for {shown(node)}."
        )
        # In the objective, a form of a variable may have a matrix of parameters.
        yield from _with_variables([x] if x.parameters() else [], taken)
        yield Rewrite(words, [(node, cp.sum_squares(R @ x))], [])
    elif isinstance(node, DivExpression) and not node.args[1].variables():
        x, p = node.args[0], without_shape(node.args[1])
        r = _parameter_like(1.0 / p, _fresh("r", taken))
        words = (
            f"Feed 1 / {_bracketed(p)} as a parameter of its own, {r} = {_made(r)}, "
            f"and write cp.multiply({r}, {shown(x)}) for {shown(node)}."
        )
        yield Rewrite(words, [(node, cp.multiply(r, x))], [])
    elif isinstance(node, kron) and not all(of.variables() for of in _given(node)):
        left, right = (cp.reshape(arg, _matrix(arg), order="F") for arg in node.args)
        if left.size * right.size <= _LONGEST**2:
            rows, columns = map(range, left.shape)
            blocks = [[left[i, j] * right for j in columns] for i in rows]
            a, b = map(shown, node.args)
            words = (
                f"Write {shown(node)} out, as cp.bmat([[{_bracketed(a)}[i, j] * "
                f"{_bracketed(b)} for j in range({left.shape[1]})] for i in "
                f"range({left.shape[0]})])."
            )
            yield Rewrite(words, [(node, cp.bmat(blocks))], [])
    elif isinstance(node, conv | convolve):
        kernel, x = (cp.vec(arg, order="F") for arg in node.args)
        T = cp.Parameter((node.size, x.size), name=_fresh("T", taken))
        new = cp.reshape(T @ x, node.shape, order="F")
        words = (
            f"Feed the matrix of the convolution as a parameter, {T} = {_made(T)}, "
            f"with {shown(node.args[0])} moved down by j in column j "
            f"(scipy.linalg.convolution_matrix), and write {T} @ "
            f"{_bracketed(node.args[1])} for {shown(node)}."
        )
        if not kernel.variables():
            yield Rewrite(words, [(node, new)], [])


def _given(node: Any) -> list[Any]:
    """The arguments of an expression that hold parameters."""
    return [arg for arg in node.args if arg.parameters()]


def _products_within(node: Any) -> Iterator[Any]:
    """The largest affine expressions in this one that multiply a parameter by
    variables."""
    mixed = bool(node.parameters() and node.variables())
    products = MulExpression | multiply
    if (
        mixed
        and isinstance(node, products)
        and node.is_affine()
        and node.is_dcp(dpp=True)
    ):
        yield node
    elif mixed:
        for arg in node.args:
            yield from _products_within(arg)


def _affine_within(node: Any) -> Iterator[Any]:
    """The largest affine expressions in this one that hold parameters and variables."""
    if node.parameters() and node.variables():
        if node.is_affine() and node.is_dcp(dpp=True):
            yield node
        else:
            for arg in node.args:
                yield from _affine_within(arg)


def _with_variables(expressions: list[Any], taken: set[str]) -> Iterator[Rewrite]:
    """A variable in the place of each of some affine expressions."""
    if not expressions:
        return
    taken = set(taken)
    new = []
    for node in expressions:
        kind = _kind(node, ("symmetric",))
        new.append(cp.Variable(node.shape, name=_fresh("u", taken), **kind))
        taken.add(new[-1].name())
    words = [
        f"Give {shown(node)} a variable, {u.name()} = {_made(u)}, with "
        f"the constraint {u.name()} == {shown(node)}, and write {u.name()} in its "
        "place."
        for u, node in zip(new, expressions, strict=True)
    ]
    equal = [u == node for u, node in zip(new, expressions, strict=True)]
    yield Rewrite(" ".join(words), list(zip(expressions, new, strict=True)), equal)


def _fed(node: Any, taken: set[str]) -> Rewrite:
    """A parameter in the place of an expression of parameters alone."""
    r = _parameter_like(node, _fresh("r", taken))
    words = (
        f"Compute {shown(node)} with TensorFlow, feed it as a parameter of its own, "
        f"{r} = {_made(r)}, and write {r} in its place."
    )
    return Rewrite(words, [(node, r)], [])


def _copied(node: Any, parameter: Any, taken: set[str]) -> Rewrite:
    """A variable in the place of a parameter within an expression."""
    kind = _kind(parameter, ("symmetric",))
    V = cp.Variable(parameter.shape, name=_fresh("V", taken), **kind)
    name = parameter.name()
    words = (
        f"Copy {name} into a variable, {V} = {_made(V)}, with the "
        f"constraint {V} == {name}, and write {V} for {name} in {shown(node)}."
    )

    def copied():
        return replaced(node, {id(parameter): V})

    return Rewrite(words, [(node, copied)], [parameter == V])


def _parameter_like(node: Any, name: str) -> cp.Parameter:
    """A parameter with the shape of an expression, and its sign or symmetry."""
    kind = _kind(node, ("PSD", "symmetric", "nonneg", "nonpos"))
    return cp.Parameter(node.shape, name=name, **kind)


def _kind(node: Any, kinds: tuple[str, ...]) -> dict[str, bool]:
    """The first of these attributes that an expression has."""
    square = node.ndim == 2 and node.size > 1
    holds = {
        "PSD": lambda: square and node.is_psd(),
        "symmetric": lambda: square and node.is_symmetric(),
        "nonneg": node.is_nonneg,
        "nonpos": node.is_nonpos,
    }
    return next(({kind: True} for kind in kinds if holds[kind]()), {})


def _made(leaf: Any) -> str:
    """How a user makes a leaf like this one."""
    attributes = leaf.attributes.items()
    kinds = [f"{kind}=True" for kind, is_so in attributes if is_so is True]
    given = ", ".join([_shape(leaf)][: leaf.ndim] + kinds)
    return f"cp.{type(leaf).__name__}({given})"


def _shape(leaf: Any) -> str:
    return str(leaf.shape[0]) if len(leaf.shape) == 1 else str(leaf.shape or "")


def _matrix(arg: Any) -> tuple[int, int]:
    return (*arg.shape, *(1,) * (2 - len(arg.shape)))


def _fresh(letter: str, taken: set[str]) -> str:
    """A name that is not taken."""
    names = itertools.chain([letter], (f"{letter}{k}" for k in itertools.count(2)))
    return next(name for name in names if name not in taken)


def _bracketed(node: Any) -> str:
    text = shown(node)
    return text if text.isidentifier() else f"({text})"
