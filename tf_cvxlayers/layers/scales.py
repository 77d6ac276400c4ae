"""Which numbers of a program are too far apart, in words."""

import numpy as np
import tensorflow as tf

from tf_cvxlayers.errors import Status, numbered
from tf_cvxlayers.pipeline.equilibration import by_means
from tf_cvxlayers.pipeline.pipeline import Pipeline
from tf_cvxlayers.pipeline.units import units_of
from tf_cvxlayers.program.cone_program import ConeData, ConeProgram

# What numbers that are far apart may lead to.
_UNCLEAR = Status.INACCURATE, Status.ITERATION_LIMIT, Status.NUMERICAL_ERROR
# Numbers of one kind that have a higher ratio are far apart.
_FAR_APART = 1e7


def words_of(pipeline: Pipeline, values: list[tf.Tensor], status: np.ndarray) -> str:
    """How the solve of a batch went, and what to rescale where it did not end.

    Args:
        pipeline: of the layer.
        values: of its parameters.
        status: of each element, `[*batch]`.
    """
    names = [Status(number).name for number in status.ravel()]
    counts = ", ".join(
        f"{names.count(one.name)} {one.name}" for one in Status if one.name in names
    )
    elements = numbered(status.size, "element", "elements")
    summary = f"{elements}: {counts}" if names else "no elements"
    unclear = [k for k, name in enumerate(names) if Status[name] in _UNCLEAR]
    if not unclear:
        return summary
    element = unclear[0]
    data = ConeData(*(part.numpy() for part in pipeline.data(values)))
    one = ConeData(*(part[[element if len(part) > 1 else 0]] for part in data))
    place = [int(k) for k in np.unravel_index(element, status.shape)]
    if not all(np.isfinite(part).all() for part in one):
        return f"{summary}. Element {place}: not all of its numbers are finite."
    return f"{summary}. Element {place}: {_reason(pipeline.program, one)}"


def _reason(program: ConeProgram, data: ConeData) -> str:
    """What is far apart in the data of one element."""
    tensors = ConeData(*map(tf.constant, data))
    units = units_of(program.structure, tensors, by_means)
    scaled = ConeData(*(np.abs(part.numpy()[0]) for part in units.data(tensors)))
    spread, words = max(
        (_spread(program, scaled, kind) for kind in ConeData._fields),
        key=lambda found: found[0],
    )
    if spread < _FAR_APART:
        return (
            "none of its numbers are far apart; constraints may nearly repeat one "
            "another, or cones of squares be nearly rays. State squares of small "
            "numbers in a larger unit (percent, say), and leave out what follows from "
            "other constraints."
        )
    return (
        f"{words}, a ratio of {spread:.0e} in the units that suit the program best. "
        "Measure what they belong to in another unit, or leave out what does not "
        "matter."
    )


def _spread(program: ConeProgram, scaled: ConeData, kind: str) -> tuple[float, str]:
    """How far apart the largest and the least of one kind of numbers are, in words."""
    sizes = getattr(scaled, kind)
    used = np.flatnonzero((sizes > 0) & np.isfinite(sizes))
    if not used.size:
        return 1.0, ""
    least, most = used[np.argmin(sizes[used])], used[np.argmax(sizes[used])]
    ends = [f"{sizes[k]:.0e}, {_words(program, kind, int(k))}" for k in (least, most)]
    words = f"numbers in {kind} reach from {', to '.join(ends)}"
    return float(sizes[most] / sizes[least]), words


def _words(program: ConeProgram, kind: str, entry: int) -> str:
    """Where an entry is, and the parameters it depends on."""
    structure = program.structure
    if kind == "b":
        where = structure.cones.row_in_words(entry)
    elif kind == "A":
        where = structure.cones.row_in_words(int(structure.A.rows[entry]))
    elif kind == "P":
        where = f"the curvature of variable {structure.P.columns[entry]}"
    else:
        where = f"the cost of variable {entry}"
    linear_map = getattr(program.maps, kind)
    features = linear_map.columns[linear_map.rows == entry]
    ends = np.cumsum([program.parameters[index].size for index, _ in program.features])
    blocks = np.unique(np.searchsorted(ends, features, side="right"))
    names = [
        f"'{program.parameters[program.features[block][0]].name}'"
        for block in blocks
        if block < len(program.features)
    ]
    return f"{where} (of {' and '.join(names) if names else 'a constant'})"
