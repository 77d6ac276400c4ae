"""The order of cones and rows, and the packing of symmetric matrices."""

import numpy as np
import pytest

from tests.calls import assert_all_close
from tf_cvxlayers.optimality.cones.triangles import packed, unpacked
from tf_cvxlayers.program.cones import ConeDims, svec_indices, triangle

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


def test_description_counts_the_cones_that_occur():
    text = DIMS.describe()
    for words in ("2 equalities", "3 inequalities", "[4, 3]", "order [2, 3]", "0.3"):
        assert words in text
    assert ConeDims().describe() == "no constraints"


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
