"""Hard, infeasible and unbounded elements beside easy ones: each has its own answer.

Values are those the programs were built from, and Clarabel's at a tolerance of 1e-10;
gradients are central differences in 60 digits.
"""

import warnings

import cvxpy as cp
import numpy as np
import pytest
import tensorflow as tf

from tests.mixed_batches import KINDS, Element, Family
from tf_cvxlayers import CvxpyLayer, Status
from tf_cvxlayers.engines import Compiled, InteriorPoint

pytestmark = pytest.mark.slow
_BATCH = 32
_MIX = ["easy", "easy", *KINDS]


def _clarabel(problem, parameters, x, element):
    for name, parameter in parameters.items():
        parameter.value = element.values[name]
    tolerances = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a solution may be inaccurate
        problem.solve(cp.CLARABEL, **tolerances)
    return x.value if problem.status == cp.OPTIMAL else None


@pytest.mark.parametrize("engine", [InteriorPoint(), Compiled()], ids=str)
@pytest.mark.parametrize("seed", range(11))
def test_each_element_of_a_mixed_batch_has_its_own_answer(seed, engine):
    rng = np.random.default_rng(seed)
    family = Family.random(rng)
    kinds = [str(kind) for kind in rng.choice(_MIX, size=_BATCH)]
    elements = [Element.random(rng, family, kind) for kind in kinds]
    problem, parameters, x = family.state()
    layer = CvxpyLayer(
        problem,
        list(parameters.values()),
        x,
        engine=engine,
        on_failure="nan",
        dtype="float64",
    )
    values = [
        tf.constant(np.stack([element.values[name] for element in elements]))
        for name in parameters
    ]
    result = layer.solve(*values)
    weights = rng.normal(size=(_BATCH, family.n))
    with tf.GradientTape() as tape:
        tape.watch(values)
        output = layer(*values)
        solved = tf.math.is_finite(output)
        total = tf.reduce_sum(tf.where(solved, output, 0.0) * weights)
    gradients = tape.gradient(total, values)

    wrong = []
    for k, element in enumerate(elements):
        if result.status[k] != KINDS[element.kind]:
            name = Status(int(result.status[k])).name
            wrong.append(f"{k} ({element.kind}): status {name}")
        if KINDS[element.kind] != Status.SOLVED:
            assert all(not gradient[k].numpy().any() for gradient in gradients)
            continue
        size = 1.0 + np.abs(element.x).max()
        answers = {"exact": element.x}
        clarabel = _clarabel(problem, parameters, x, element)
        if clarabel is not None and np.abs(clarabel - element.x).max() < 1e-8 * size:
            answers["Clarabel"] = clarabel
        for name, answer in answers.items():
            error = np.abs(output[k] - answer).max() / size
            if not error <= 1e-7:
                wrong.append(f"{k} ({element.kind}): {error:.1e} from {name}")
        # Relative to each number, so that all directions count alike.
        direction = {
            name: rng.normal(size=np.shape(value)) * np.abs(value)
            for name, value in element.values.items()
        }
        exact = weights[k] @ element.derivative(direction)
        ours = sum(
            np.sum(gradient[k].numpy() * direction[name])
            for name, gradient in zip(parameters, gradients, strict=True)
        )
        error = abs(ours - exact) / (1.0 + abs(exact))
        if not error <= 1e-6:
            wrong.append(f"{k} ({element.kind}): gradient {ours:.9g}, not {exact:.9g}")
    assert not wrong, f"{family}: {wrong}"
