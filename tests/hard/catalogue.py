"""Every family by name, and the variants that make sense for it.

A variant is a word, or several with `+` between them: `far`, `rows`, `columns`,
`objective` and `righthand` are of `placement`; `parallel`, `close`, `huge`, `thin` and
`redundant` of `instance`; `float32` rounds the data once more; `scaled` is of
certificates, and so is `thin`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from tests.hard.families import (
    certificates,
    exponential,
    mixed,
    polyhedral,
    second_order,
    semidefinite,
)
from tests.hard.instance import Instance

_PLACED = (
    "base",
    "far",
    "rows",
    "columns",
    "objective",
    "righthand",
    "far+rows",
    "far+columns",
    "huge",
)
_FLAT = (*_PLACED, "close", "thin")
_DENSE = (*_FLAT, "parallel", "parallel+far")
_REDUNDANT = ("redundant", "redundant+far", "redundant+rows", "redundant+float32")


class Feasible(NamedTuple):
    """A family with solutions: how to make one, and its variants."""

    make: Callable[[Any, Any], Instance]
    variants: tuple[str, ...] = _PLACED


class Hopeless(NamedTuple):
    """A family without: the function of `certificates`, its kind, and its variants."""

    make: Callable[..., Any]
    kind: str
    variants: tuple[str, ...] = ("base", "far", "scaled", "far+scaled", "thin")


FEASIBLE = {
    "qp": Feasible(polyhedral.quadratic, _DENSE),
    "qp_equalities": Feasible(polyhedral.with_equalities, _DENSE + _REDUNDANT),
    "qp_flat": Feasible(polyhedral.flat_objective, _FLAT),
    "lp": Feasible(polyhedral.linear, _DENSE),
    "box": Feasible(polyhedral.box, _FLAT),
    "simplex": Feasible(polyhedral.simplex, _FLAT),
    "tracking": Feasible(polyhedral.tracking, _FLAT),
    "battery": Feasible(polyhedral.battery, _FLAT),
    "portfolio": Feasible(second_order.portfolio),
    "daily_returns": Feasible(second_order.daily_returns),
    "transport_lp": Feasible(polyhedral.transport, (*_FLAT, "float32")),
    "transport_qp": Feasible(polyhedral.quadratic_transport, (*_FLAT, "float32")),
    "lasso": Feasible(polyhedral.lasso, _PLACED + _REDUNDANT),
    "elastic_net": Feasible(polyhedral.elastic_net),
    "huge_bounds": Feasible(polyhedral.huge_bounds, _PLACED[:-1]),
    "robust_least_squares": Feasible(second_order.robust_least_squares),
    "norm_balls": Feasible(second_order.norm_balls, (*_PLACED, "parallel")),
    "group_lasso": Feasible(second_order.group_lasso),
    "trajectory": Feasible(
        second_order.trajectory, (*_PLACED, "redundant", "redundant+float32")
    ),
    "trajectory_long": Feasible(partial(second_order.trajectory, N=10)),
    "psd_projection": Feasible(semidefinite.projection),
    "correlation": Feasible(
        semidefinite.correlation, (*_PLACED, "redundant", "redundant+float32")
    ),
    "psd_two_orders": Feasible(semidefinite.two_orders, (*_PLACED, "parallel")),
    "psd_linear": Feasible(semidefinite.linear),
    "softmax": Feasible(exponential.softmax),
    "transport_entropic": Feasible(
        exponential.entropic_transport, (*_PLACED, "float32")
    ),
    "logistic": Feasible(exponential.logistic_regression),
    "geometric": Feasible(exponential.geometric, (*_PLACED, "parallel")),
    **{
        f"mixed_{k}": Feasible(partial(mixed.mixture, dims=dims), _PLACED[:4])
        for k, dims in enumerate(mixed.MIXTURES)
    },
    **{
        f"mixed_flat_{k}": Feasible(
            partial(mixed.mixture, dims=dims, rank=3), _PLACED[:1] + _PLACED[3:4]
        )
        for k, dims in enumerate(mixed.MIXTURES)
    },
}
HOPELESS = {
    f"{name}_{kind}": Hopeless(make, kind)
    for name, make in (
        ("infeasible", certificates.infeasible),
        ("unbounded", certificates.unbounded),
    )
    for kind in ("qp", "lp", "soc", "sdp", "exp")
}
FAMILIES: dict[str, Feasible | Hopeless] = {**FEASIBLE, **HOPELESS}


def selected(words: str) -> list[tuple[str, str]]:
    """Families and variants: `qp/far` one variant, `qp` all of them, `*/far` a variant
    of all that have it, `all` everything; with commas between them. A variant that is
    in no list, such as `far1e6+rows`, is one of all families that have a solution."""
    everything = [
        (name, variant) for name, row in FAMILIES.items() for variant in row.variants
    ]
    found = []
    for word in words.split(","):
        family, _, variant = word.strip().partition("/")
        named = [
            pair
            for pair in everything
            if family in (pair[0], "*", "all") and variant in (pair[1], "")
        ]
        if not named and variant:
            named = [(name, variant) for name in FEASIBLE if family in (name, "*")]
        if not named:
            raise ValueError(f"Expected a family. Received: {word!r}. Try `list`.")
        found += [pair for pair in named if pair not in found]
    return found
