"""The order of cones and rows, and the packing of symmetric matrices."""

import dataclasses

import numpy as np
import pytest

from tests.calls import assert_all_close
from tf_cvxlayers.optimality.cones.triangles import packed, unpacked
from tf_cvxlayers.program.cones import KINDS, ConeDims, svec_indices, triangle

DIMS = ConeDims(2, 3, (4, 3), (2, 3), 1, (0.3, 0.6))


def test_rows_follow_the_order_of_scs():
    kinds = [kind for kind, _, _ in DIMS.blocks]
    assert kinds == ["zero", "nonnegative"] + ["second_order"] * 2 + ["psd"] * 2 + [
        "exponential",
        "power",
        "power",
    ]
    assert [rows for _, rows, _ in DIMS.blocks] == [2, 3, 4, 3, 3, 6, 3, 3, 3]
    assert DIMS.size == 30
    assert ConeDims().size == 0
    assert ConeDims().blocks == ()


def test_every_kind_is_a_field_and_a_line_of_the_table():
    assert [field.name for field in dataclasses.fields(ConeDims)] == list(KINDS)


def test_runs_are_equal_neighbours_in_the_order_of_the_rows():
    runs = ConeDims(1, 2, (3, 3, 2, 3), (2, 2), 2, (0.3,)).runs
    assert [(run.kind, run.parameter, run.number) for run in runs] == [
        ("zero", 0, 1),
        ("nonnegative", 0, 1),
        ("second_order", 3, 2),
        ("second_order", 2, 1),
        ("second_order", 3, 1),
        ("psd", 2, 2),
        ("exponential", 0, 2),
        ("power", 0.3, 1),
    ]
    rows = np.arange(29)
    together = np.concatenate([rows[run.span] for run in runs])
    np.testing.assert_array_equal(together, rows)
    assert [run.rows * run.number for run in runs] == [run.size for run in runs]


def test_equal_cones_come_together_with_their_rows():
    dims = ConeDims(1, 2, (3, 2, 3), (3, 1), 1, (0.6, 0.3))
    together, order = dims.with_equal_cones_together()
    assert together == ConeDims(1, 2, (2, 3, 3), (1, 3), 1, (0.3, 0.6))
    expected = [0, 1, 2, 6, 7, 3, 4, 5, 8, 9, 10, 17, 11, 12, 13, 14, 15, 16]
    expected += [18, 19, 20, 24, 25, 26, 21, 22, 23]
    np.testing.assert_array_equal(order, expected)
    again, order = together.with_equal_cones_together()
    assert again == together
    np.testing.assert_array_equal(order, np.arange(dims.size))
    assert ConeDims().with_equal_cones_together()[1].size == 0


def test_cones_are_flat_where_their_sides_are():
    flat = {kind for kind, own in KINDS.items() if own.is_flat}
    assert flat == {"zero", "nonnegative"}
    assert ConeDims(zero=1, nonnegative=2).is_polyhedral
    assert not DIMS.is_polyhedral


def test_description_counts_the_cones_that_occur():
    text = DIMS.describe()
    for words in ("2 equalities", "3 inequalities", "[4, 3]", "order [2, 3]", "0.3"):
        assert words in text
    assert ConeDims().describe() == "no constraints"
    one = ConeDims(zero=1, nonnegative=1, second_order=(3,), psd=(2,), exponential=1)
    assert one.describe() == (
        "1 equality, 1 inequality, 1 second-order cone [3], 1 PSD cone of order [2], "
        "1 exponential cone"
    )


def test_the_lower_triangle_is_packed_column_by_column():
    rows, columns, scales = svec_indices(3)
    assert list(zip(rows, columns, strict=True)) == [
        (0, 0),
        (1, 0),
        (2, 0),
        (1, 1),
        (2, 1),
        (2, 2),
    ]
    np.testing.assert_allclose(scales**2, [1, 2, 2, 1, 2, 1])


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_packing_keeps_inner_products_and_comes_back(order):
    rng = np.random.default_rng(0)
    S = rng.normal(size=(2, 2, order, order))
    S = S + S.swapaxes(2, 3)
    flat = packed(S, order).numpy()
    assert flat.shape == (2, triangle(order), 2)
    expected = np.einsum("kij,kij->k", S[:, 0], S[:, 1])
    np.testing.assert_allclose((flat[:, :, 0] * flat[:, :, 1]).sum(1), expected)
    assert_all_close([unpacked(flat, order)], [S], atol=1e-14)
