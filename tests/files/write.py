"""Writes the files that later versions of the package must be able to load.

    python tests/files/write.py

makes a folder beside this script, named after the version of the package: models as
`.keras` files and as SavedModels, inputs, and the answers that the models gave when
they were written. A folder that is there is never written again:
`tests/test_files_of_earlier_versions.py` loads all of them.
"""

import pathlib
import sys
import tarfile
import tempfile

import cvxpy as cp
import keras
import numpy as np

import tf_cvxlayers
from tf_cvxlayers import CvxpyLayer, layers

HERE = pathlib.Path(__file__).resolve().parent


def general() -> tuple[keras.Model, list[np.ndarray]]:
    """A `CvxpyLayer` with fed, learned and fixed parameters of many attributes, that
    returns a primal and a dual variable."""
    x, A = cp.Parameter(3, name="x"), cp.Parameter((2, 3), name="A")
    S = cp.Parameter((3, 3), PSD=True, name="S")
    w, c = cp.Parameter(3, nonneg=True, name="w"), cp.Parameter(2, name="c")
    D = cp.Parameter((3, 3), diag=True, name="D")
    T = cp.Parameter((3, 3), sparsity=([0, 2], [1, 2]), name="T")
    y = cp.Variable(3, name="y")
    inequality = A @ y <= c
    objective = cp.quad_form(y, S) - x @ y + w @ cp.abs(y)
    constraints = [inequality, cp.norm(D @ y) <= 2, T @ y <= 1]
    layer = CvxpyLayer(
        cp.Problem(cp.Minimize(objective), constraints),
        [x, A],
        [y, inequality.dual_variables[0]],
        learned={
            S: np.diag([1.0, 2.0, 3.0]) + 0.1,
            w: {"initializer": "ones", "regularizer": keras.regularizers.L2(0.1)},
            T: np.array([[0, 0.5, 0], [0, 0, 0], [0, 0, 0.25]]),
        },
        fixed={c: [0.2, 0.4], D: np.diag([1.0, 0.5, 2.0])},
        dtype="float64",
        name="general",
    )
    inputs = [
        keras.Input((3,), dtype="float64", name="x"),
        keras.Input((2, 3), dtype="float64", name="A"),
    ]
    rng = np.random.default_rng(0)
    data = [3.0 * rng.normal(size=(4, 3)), rng.normal(size=(4, 2, 3))]
    return keras.Model(inputs, list(layer(*inputs))), data


def nested() -> tuple[keras.Model, list[np.ndarray]]:
    """Ready-made layers on both engines, in a model within a model."""
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [
            keras.Input((4,)),
            layers.QuadraticProgram(4, equalities=1, inequalities=3, nonneg=True),
            layers.PolytopeProjection(3),
            layers.EllipsoidProjection(),
            layers.TotalVariation(weight=0.1),
        ],
        name="inner",
    )
    inputs = keras.Input((5,))
    hidden = layers.DenseReLU(4)(inputs)
    hidden = inner(keras.layers.Dense(4)(hidden))
    outputs = [
        layers.Sparsemax()(hidden),
        layers.ConstrainedSparsemax(0.5)(hidden),
        layers.ConstrainedSoftmax(0.5)(hidden),
        layers.LimitedMultiLabel(2)(hidden),
        layers.VariationalSoftmax(engine=tf_cvxlayers.engines.Diffcp(threads=1))(
            hidden
        ),
        layers.VariationalSigmoid()(hidden),
        layers.VariationalReLU(engine="interior_point")(hidden),
        layers.MaxAffine(3)(hidden),
        layers.PiecewiseLinear(3)(keras.layers.Dense(1)(hidden)),
    ]
    data = np.random.default_rng(1).normal(size=(4, 5)).astype("float32")
    return keras.Model(inputs, outputs), [data]


def served() -> tuple[keras.Model, list[np.ndarray]]:
    """A small model to be served: equalities, bounds and a second-order cone."""
    x, y = cp.Parameter(3, name="x"), cp.Variable(3, name="y")
    constraints = [cp.sum(y) == 1, y >= 0, cp.norm(y) <= 0.8]
    problem = cp.Problem(cp.Minimize(cp.sum_squares(y - x)), constraints)
    inputs = keras.Input((3,), dtype="float64", name="x")
    layer = CvxpyLayer(problem, x, y, dtype="float64", name="projection")
    data = np.random.default_rng(2).normal(size=(4, 3))
    return keras.Model(inputs, layer(inputs)), [data]


def softmax() -> tuple[keras.Model, list[np.ndarray]]:
    """A model that is solved in Python: exponential cones."""
    inputs = keras.Input((3,), dtype="float64", name="x")
    layer = layers.VariationalSoftmax(dtype="float64", name="softmax")
    data = np.random.default_rng(3).normal(size=(4, 3))
    return keras.Model(inputs, layer(inputs)), [data]


def _export(model: keras.Model, path: pathlib.Path, portable: bool) -> None:
    """A SavedModel in an archive: the same operations again and again, it shrinks to
    a fiftieth."""
    with tempfile.TemporaryDirectory() as folder:
        inside = pathlib.Path(folder) / path.name
        tf_cvxlayers.export(model, inside, portable=portable)
        with tarfile.open(path.with_suffix(".tar.xz"), "w:xz") as archive:
            archive.add(inside, arcname=path.name)


def main() -> None:
    folder = HERE / tf_cvxlayers.__version__
    if folder.exists():
        sys.exit(f"{folder} is there already, and stays as it is")
    folder.mkdir()
    for state in (general, nested, served, softmax):
        model, data = state()
        path = folder / state.__name__
        if state in (general, nested):
            model.save(path.with_suffix(".keras"))
        else:
            _export(model, path, portable=state is served)
        outputs = keras.tree.flatten(model(data if len(data) > 1 else data[0]))
        answers = {f"output_{k}": value for k, value in enumerate(outputs)}
        inputs = {f"input_{k}": value for k, value in enumerate(data)}
        np.savez_compressed(path.with_suffix(".npz"), **inputs, **answers)


if __name__ == "__main__":
    main()
