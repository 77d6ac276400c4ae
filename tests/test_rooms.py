"""The rooms of the house: what may live where, and who may import whom.

`docs/architecture.md` says what each room is for.
"""

import ast
import pathlib
import re
import sys

import pytest

import tf_cvxlayers

PACKAGE = pathlib.Path(tf_cvxlayers.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# Every module, from the bottom of the house up. A module imports from lines above its
# own alone. The `__init__` of a folder is named after it.
ORDER = """
errors
arguments

runtime runtime.callback runtime.threads runtime.xla runtime.whole_functions
runtime.graphs runtime.keras_internals runtime.memory

linalg linalg.patterns linalg.filled linalg.refined_solution
linalg.ordered_sums linalg.batch_axis linalg.strided_columns
linalg.sparse linalg.singular_values linalg.eigenvalues linalg.symmetric
linalg.subspace linalg.extremes linalg.powers_of_two linalg.three_rows
linalg.lazy_values linalg.vectors linalg.rows
linalg.slices linalg.spread
linalg.submatrices linalg.sparse_matrices linalg.dense_symmetric linalg.diagonal
linalg.dense_rows linalg.diagonal_within linalg.band linalg.cyclic_reduction
linalg.entries
linalg.banded_symmetric
linalg.rows_in_band
linalg.bounds
linalg.rows_and_bounds

program program.cones program.archive
program.cone_program
program.soundness
program.serialization

from_cvxpy from_cvxpy.expressions from_cvxpy.returned
from_cvxpy.candidates from_cvxpy.quadratic_forms
from_cvxpy.rewrites
from_cvxpy.diagnosis
from_cvxpy.canonicalize

runtime.differentiation
runtime.chunks runtime.rarely

optimality
optimality.cones optimality.cones.protocol optimality.cones.triangles
optimality.cones.linear optimality.cones.second_order optimality.cones.psd
optimality.cones.smooth
optimality.cones.exponential optimality.cones.power
optimality.cones.table
optimality.forms
optimality.matrices
optimality.residuals
optimality.cones.product
optimality.cones.derivative
optimality.margin
optimality.kkt optimality.quasidefinite optimality.sparse_lu
optimality.sparse_kkt
optimality.newton_point
optimality.refinement optimality.adjoint optimality.certificates

engines.base
engines.diffcp.solvers
engines.diffcp.element
engines.diffcp.engine
engines.diffcp
engines.interior_point.cones engines.interior_point.cones.protocol
engines.interior_point.cones.equalities
engines.interior_point.cones.orthant engines.interior_point.cones.second_order
engines.interior_point.cones.psd engines.interior_point.cones.barrier
engines.interior_point.cones.nonsymmetric
engines.interior_point.cones.exponential engines.interior_point.cones.power
engines.interior_point.cones.table
engines.interior_point.cones.product
engines.interior_point.coordinates
engines.interior_point.null_space
engines.interior_point.embedding engines.interior_point.newton_system
engines.interior_point.step engines.interior_point.verdicts
engines.interior_point.loop
engines.interior_point.phases
engines.interior_point.engine
engines.interior_point
engines.compiled.jit engines.compiled.profile
engines.compiled.arithmetic engines.compiled.eigenvalues
engines.compiled.psd engines.compiled.smooth
engines.compiled.nonsymmetric engines.compiled.further
engines.compiled.shape engines.compiled.cones engines.compiled.further_scaling
engines.compiled.units engines.compiled.program
engines.compiled.kkt engines.compiled.scaling
engines.compiled.iteration engines.compiled.refinement
engines.compiled.kernels
engines.compiled.engine
engines.compiled
engines.catalogue
engines.selection
engines

pipeline pipeline.attributes pipeline.batching pipeline.problem_data
pipeline.equilibration pipeline.validation pipeline.recovery
pipeline.units
pipeline.reduction pipeline.reduction.elimination pipeline.reduction.dropped_rows
pipeline.reduction.chain
pipeline.reduction.epigraphs
pipeline.reduction.empty_rows pipeline.reduction.implied_rows
pipeline.reduction.infinite_rows
pipeline.reduction.plan
pipeline.viewpoint pipeline.hyperbolic
pipeline.closer
pipeline.verified
pipeline.graphs
pipeline.at_once
pipeline.solve
pipeline.pipeline

layers.configuration
layers.description layers.directions layers.values layers.weights
layers.stand_ins
layers.kinks layers.scales
layers.solve_result
layers.gradient_check
layers.cone_layer
layers.cvxpy_layer
layers.problem_layer
layers.ready_made layers.ready_made.activations layers.ready_made.simplex
layers.ready_made.piecewise layers.ready_made.quadratic_program
layers.ready_made.total_variation layers.ready_made.learned_sets
layers

serving.names serving.fresh_process serving.substitution
serving.answers
serving.endpoints serving.samples
serving.new_process
serving.comparison
serving.saved_model
serving

convex_networks.patterns
convex_networks.network
convex_networks

tf_cvxlayers
"""
LEVEL = {
    name: level
    for level, line in enumerate(ORDER.splitlines())
    for name in line.split()
}

# Where each package that is not part of Python may be imported; everywhere, if nothing
# is said. A new package needs a line here.
ALLOWED: dict[str, tuple[str, ...] | None] = {
    "cvxpy": ("from_cvxpy", "convex_networks", "layers"),
    "diffcp": ("engines.diffcp.element",),
    "keras": ("layers", "serving", "convex_networks", "runtime.keras_internals"),
    "tensorflow": None,
    "numba": ("engines.compiled.jit",),
    "numpy": None,
    "qdldl": ("optimality.quasidefinite",),
    "scipy": None,
    "tf_cvxlayers": None,
}
# Rooms, and modules, that do without TensorFlow.
WITHOUT_TENSORFLOW = (
    "program",
    "from_cvxpy",
    "errors",
    "linalg.patterns",
    "linalg.band",
    "runtime.memory",
)
# Attributes of TensorFlow's and Keras' objects that are not public.
PRIVATE = re.compile(r"_py_funcs|_funcs|_flatten_layers|_keras_call_info_injected")


def _name(path):
    """The module's name below the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts) or "tf_cvxlayers"


def _is_in(name, rooms):
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def _is_for_types_only(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _imports(tree):
    """The modules that a syntax tree imports when it runs, and the names from each."""
    for node in ast.iter_child_nodes(tree):
        if _is_for_types_only(node):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package in full"
            yield from ((node.module, alias.name) for alias in node.names)
        else:
            yield from _imports(node)


def _imported(path):
    """The modules that a file imports, by their full names."""
    for module, name in _imports(ast.parse(path.read_text())):
        below = f"{module}.{name}".partition(".")[2]
        is_ours = module.partition(".")[0] == "tf_cvxlayers"
        yield f"tf_cvxlayers.{below}" if is_ours and below in LEVEL else module


each_file = pytest.mark.parametrize("path", FILES, ids=_name)


def test_every_module_has_one_place():
    names = ORDER.split()
    assert sorted(names) == sorted(set(names))
    with_code = {_name(path) for path in FILES}
    assert with_code == set(names)


@each_file
def test_imports_point_down(path):
    own = LEVEL[_name(path)]
    for module in _imported(path):
        package, _, below = module.partition(".")
        if package == "tf_cvxlayers":
            below = below if below in LEVEL else "tf_cvxlayers"
            assert LEVEL[below] < own, f"{_name(path)} imports {module}"


@each_file
def test_packages_are_imported_where_they_may_be(path):
    for module in _imported(path):
        package = module.partition(".")[0]
        if package in sys.stdlib_module_names:
            continue
        assert package in ALLOWED, f"{_name(path)} imports {module}"
        rooms = ALLOWED[package]
        where = rooms is None or _is_in(_name(path), rooms)
        assert where, f"{_name(path)} imports {module}"


def test_the_record_and_the_way_to_it_do_without_tensorflow():
    for path in FILES:
        if not _is_in(_name(path), WITHOUT_TENSORFLOW):
            continue
        for module in _imported(path):
            package, _, below = module.partition(".")
            assert package not in ("tensorflow", "keras"), f"{path} imports {module}"
            if package == "tf_cvxlayers":
                assert _is_in(below, WITHOUT_TENSORFLOW), f"{path} imports {module}"


def test_private_names_of_tensorflow_and_keras_are_in_one_room():
    users = set()
    for path in FILES:
        text = path.read_text()
        modules = list(_imported(path))
        if PRIVATE.search(text) or any(
            module.startswith(("tensorflow.python", "keras.src")) for module in modules
        ):
            users.add(_name(path))
    assert users
    assert all(_is_in(name, ["runtime"]) for name in users), users


def test_private_modules_are_imported_with_a_way_out():
    for path in FILES:
        tree = ast.parse(path.read_text())
        guarded = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.Try)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(tree):
            private = isinstance(node, ast.ImportFrom) and node.module.startswith(
                ("tensorflow.python", "keras.src")
            )
            assert not private or id(node) in guarded, f"{path}: {ast.unparse(node)}"


def test_no_file_is_longer_than_400_lines():
    assert [p for p in FILES if len(p.read_text().splitlines()) > 400] == []
