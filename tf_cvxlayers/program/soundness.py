"""Whether a record that was read from bytes can be a cone program.

A record that the package makes is sound by construction. One from a file may be
anything: each check here is one that code further on relies on without looking, so that
a broken file is an error that names its part, at once, and not a wrong answer, a crash
in compiled code, or an allocation without end.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_cvxlayers.errors import FileError, shortened
from tf_cvxlayers.linalg.patterns import LinearMap, Pattern
from tf_cvxlayers.program import cones
from tf_cvxlayers.program.cone_program import (
    ATTRIBUTE_NAMES,
    ConeData,
    ConeProgram,
    ConeStructure,
    ParameterSpec,
    VariableSpec,
)
from tf_cvxlayers.program.cones import ConeDims

# Attributes of square matrices.
_SQUARE = frozenset({"symmetric", "PSD", "NSD", "diag"})


def check_sound(record: Any, most: int) -> None:
    """Raise FileError for a record that is none.

    Args:
        record: a `ConeProgram`, or one of its parts.
        most: the most variables, rows, features or entries of anything: nothing in
            memory is to be larger than what was read by more than a small factor.
    """
    _CHECKS[type(record)](record, type(record).__name__, most)


def _program(program: ConeProgram, part: str, most: int) -> None:
    _of(program.structure, ConeStructure, f"{part}.structure", most)
    _all_of(program.parameters, ParameterSpec, f"{part}.parameters", most)
    _all_of(program.variables, VariableSpec, f"{part}.variables", most)
    sizes = _features(program, f"{part}.features")
    count = sum(sizes) + 1
    _expect(count <= most, f"{part}.features", f"at most {most} features", count)
    structure = program.structure
    lengths = structure.P.size, structure.n, structure.A.size, structure.m
    _kind(program.maps, ConeData, f"{part}.maps")
    for name, length, linear in zip(
        ConeData._fields, lengths, program.maps, strict=True
    ):
        _map(linear, (length, count), f"{part}.maps.{name}", most)
    for k, variable in enumerate(program.variables):
        shape = math.prod(variable.shape), structure.n + structure.m
        _map(variable.recovery, shape, f"{part}.variables[{k}].recovery", most)


def _features(program: ConeProgram, part: str) -> list[int]:
    """The sizes of the blocks of features."""
    _kind(program.features, tuple, part)
    count, sizes = len(program.parameters), []
    for k, block in enumerate(program.features):
        sound = isinstance(block, tuple) and [type(item) for item in block] == [
            int,
            bool,
        ]
        sound = sound and 0 <= block[0] < count
        _expect(sound, f"{part}[{k}]", f"one of {count} parameters, and a flag", block)
        sizes.append(program.parameters[block[0]].size)
    return sizes


def _structure(structure: ConeStructure, part: str, most: int) -> None:
    _of(structure.P, Pattern, f"{part}.P", most)
    _of(structure.A, Pattern, f"{part}.A", most)
    _of(structure.cones, ConeDims, f"{part}.cones", most)
    n, m = structure.n, structure.m
    _expect(
        structure.P.shape == (n, n), f"{part}.P", f"shape {n, n}", structure.P.shape
    )
    rows = structure.cones.size
    _expect(rows == m, f"{part}.cones", f"{m} rows, as A has", rows)


def _dims(dims: ConeDims, part: str, most: int) -> None:
    """Counts first: lists of cones are made of them."""
    for name in (cones.ZERO, cones.NONNEGATIVE, cones.EXPONENTIAL):
        _size(getattr(dims, name), f"{part}.{name}", most)
    for name in (cones.SECOND_ORDER, cones.PSD, cones.POWER):
        _kind(getattr(dims, name), tuple, f"{part}.{name}")
    for name in (cones.SECOND_ORDER, cones.PSD):
        for size in getattr(dims, name):
            _size(size, f"{part}.{name}", most, least=1)
    for exponent in dims.power:
        sound = isinstance(exponent, float) and 0 < exponent < 1
        _expect(sound, f"{part}.power", "exponents between 0 and 1", exponent)


def _pattern(pattern: Pattern, part: str, most: int) -> None:
    rows, columns = _shape(pattern.shape, f"{part}.shape", most, dimensions=2)
    _indices(pattern.rows, rows, f"{part}.rows", most)
    _indices(pattern.columns, columns, f"{part}.columns", most)
    same = pattern.rows.size == pattern.columns.size
    _expect(same, part, "a row and a column for each entry", pattern.rows.size)
    place = pattern.columns * rows + pattern.rows
    _expect(np.all(np.diff(place) > 0), part, "entries by column, then by row", place)


def _map(linear: Any, shape: tuple[int, int], part: str, most: int) -> None:
    _of(linear, LinearMap, part, most)
    _expect(linear.shape == shape, f"{part}.shape", f"{shape}", linear.shape)


def _linear(linear: LinearMap, part: str, most: int) -> None:
    rows, columns = _shape(linear.shape, f"{part}.shape", most, dimensions=2)
    _indices(linear.rows, rows, f"{part}.rows", most)
    _indices(linear.columns, columns, f"{part}.columns", most)
    _numbers(linear.values, f"{part}.values")
    sizes = {linear.rows.shape, linear.columns.shape, linear.values.shape}
    _expect(len(sizes) == 1, part, "a row, a column and a value for each term", sizes)
    _expect(np.all(np.diff(linear.rows) >= 0), f"{part}.rows", "sorted", linear.rows)


def _parameter(spec: ParameterSpec, part: str, most: int) -> None:
    _kind(spec.name, str, f"{part}.name")
    _shape(spec.shape, f"{part}.shape", most)
    _kind(spec.attributes, tuple, f"{part}.attributes")
    known = all(name in ATTRIBUTE_NAMES for name in spec.attributes)
    words = f"some of {list(ATTRIBUTE_NAMES)}"
    _expect(known, f"{part}.attributes", words, spec.attributes)
    if _SQUARE & set(spec.attributes):
        square = len(spec.shape) == 2 and spec.shape[0] == spec.shape[1]
        _expect(square, f"{part}.shape", "a square matrix", spec.shape)
    if spec.bounds is not None:
        pair = isinstance(spec.bounds, tuple) and len(spec.bounds) == 2
        _expect(pair, f"{part}.bounds", "a lower and an upper bound", spec.bounds)
        for bound in spec.bounds:
            _numbers(bound, f"{part}.bounds", dimensions=None)
            fits = _broadcasts(bound.shape, spec.shape)
            words = f"bounds for shape {spec.shape}"
            _expect(fits, f"{part}.bounds", words, bound.shape)
    if spec.support is not None:
        _indices(spec.support, spec.size, f"{part}.support", most)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    pairs = zip(shape[::-1], to[::-1], strict=False)
    return len(shape) <= len(to) and all(one in (1, other) for one, other in pairs)


def _variable(spec: VariableSpec, part: str, most: int) -> None:
    _kind(spec.name, str, f"{part}.name")
    _shape(spec.shape, f"{part}.shape", most)
    _kind(spec.exponential, bool, f"{part}.exponential")
    _kind(spec.recovery, LinearMap, f"{part}.recovery")


_CHECKS: dict[type, Callable[[Any, str, int], None]] = {
    ConeProgram: _program,
    ConeStructure: _structure,
    ConeDims: _dims,
    LinearMap: _linear,
    ParameterSpec: _parameter,
    Pattern: _pattern,
    VariableSpec: _variable,
}


def _expect(sound: Any, part: str, words: str, received: Any) -> None:
    if not sound:
        text = shortened(received)
        raise FileError(f"Expected {part} to be {words}. Received: {text}.")


def _kind(value: Any, kind: type, part: str) -> None:
    _expect(type(value) is kind, part, f"of type {kind.__name__}", type(value).__name__)


def _of(value: Any, kind: type, part: str, most: int) -> None:
    _kind(value, kind, part)
    _CHECKS[kind](value, part, most)


def _all_of(values: Any, kind: type, part: str, most: int) -> None:
    _kind(values, tuple, part)
    for k, value in enumerate(values):
        _of(value, kind, f"{part}[{k}]", most)


def _size(value: Any, part: str, most: int, least: int = 0) -> None:
    sound = type(value) is int and least <= value <= most
    _expect(sound, part, f"a number from {least} to {most}", value)


def _shape(
    shape: Any, part: str, most: int, dimensions: int | None = None
) -> tuple[int, ...]:
    _kind(shape, tuple, part)
    right = dimensions is None or len(shape) == dimensions
    _expect(right, part, f"{dimensions} sizes", shape)
    for size in shape:
        _size(size, part, most)
    if dimensions is None:
        _size(math.prod(shape), part, most)
    return shape


def _indices(values: Any, stop: int, part: str, most: int) -> None:
    sound = isinstance(values, np.ndarray) and values.dtype == np.int64
    sound = sound and values.ndim == 1 and values.size <= most
    _expect(sound, part, f"at most {most} indices", values)
    inside = values.size == 0 or (values.min() >= 0 and values.max() < stop)
    _expect(inside, part, f"indices from 0 to {stop - 1}", values)


def _numbers(values: Any, part: str, dimensions: int | None = 1) -> None:
    sound = isinstance(values, np.ndarray) and values.dtype == np.float64
    sound = sound and (dimensions is None or values.ndim == dimensions)
    _expect(sound, part, "float64 numbers", values)
    _expect(not np.isnan(values).any(), part, "numbers", "NaN")
