"""Programs go to bytes and back unchanged, without pickle."""

import dataclasses
import pickle

import numpy as np
import pytest

from tests.problems import BY_NAME, every_case
from tf_cvxlayers.errors import FileError
from tf_cvxlayers.program.cones import ConeDims
from tf_cvxlayers.program.serialization import (
    from_bytes,
    from_text,
    payload_of,
    structure_from,
    to_bytes,
    to_text,
)


def _program(name="relu"):
    return BY_NAME[name].layer().pipeline.program


def _assert_equal(one, other):
    assert type(one) is type(other)
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            _assert_equal(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            _assert_equal(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


@every_case
def test_a_program_survives_the_round_trip(case):
    program = _program(case.name)
    _assert_equal(from_bytes(to_bytes(program)), program)
    _assert_equal(from_text(to_text(program)), program)


def test_the_text_is_ascii_and_the_same_every_time():
    text = to_text(_program())
    assert text.isascii()
    assert text == to_text(from_text(text))


def test_nothing_is_pickled(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("pickle was used")

    for name in ("dumps", "loads", "load", "dump"):
        monkeypatch.setattr(pickle, name, refuse)
    from_text(to_text(_program("attributes")))


@pytest.mark.parametrize(
    ("version", "advice"), [(0, "build the layer again"), (99, "install that")]
)
def test_another_version_of_the_format_is_refused(monkeypatch, version, advice):
    from tf_cvxlayers.program import serialization

    monkeypatch.setattr(serialization, "_VERSION", version)
    content = to_bytes(ConeDims(zero=1))
    monkeypatch.undo()
    with pytest.raises(FileError, match=rf"Received: format {version}.*{advice}"):
        from_bytes(content)


def test_a_structure_is_found_by_its_name():
    structure = _program().structure
    name, content = payload_of(structure)
    assert len(name) == 32
    arrays = [np.frombuffer(part, np.uint8) for part in (name, content)]
    first = structure_from(*arrays)
    _assert_equal(first, structure)
    assert structure_from(*arrays) is first
