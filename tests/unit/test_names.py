"""Inputs have names in a file that TensorFlow takes and tells apart."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tf_cvxlayers.serving.names import argument_names

CASES = [
    (["A", "b"], ["A", "b"]),
    (["A", "a"], ["A", "a_2"]),
    (["a", "A", "a_2"], ["a", "A_3", "a_2"]),
    (["x.1", "x_1"], ["x_1_2", "x_1"]),
    (["α", "β", "Σ"], ["alpha", "beta", "Sigma"]),
    (["my x", "1x", "_x"], ["my_x", "arg_1x", "arg_x"]),
    (["x-y", "é", "漢"], ["x_y", "e", "arg_"]),
    (["self", "for"], ["arg_self", "for"]),
    ([None], ["inputs"]),
    (["keras_tensor_17"], ["inputs"]),
    ([None, "keras_tensor"], ["inputs_0", "inputs_1"]),
    (["inputs", None], ["inputs", "inputs_0"]),
    (["x", None, "Inputs_0", None], ["x", "inputs_1", "Inputs_0", "inputs_2"]),
    ([], []),
]


@pytest.mark.parametrize(("names", "expected"), CASES)
def test_names_stay_as_they_are_where_tensorflow_takes_them(names, expected):
    assert argument_names(names) == expected


@given(st.lists(st.none() | st.text(max_size=6), max_size=8))
def test_names_are_legal_and_told_apart(names):
    found = argument_names(names)
    assert len(found) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in found)
    assert len({name.lower() for name in found}) == len(found)
