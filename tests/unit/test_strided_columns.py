"""Columns are taken as blocks of dense matrices where that is what they are."""

import numpy as np
import pytest
import tensorflow as tf

from tf_cvxlayers.linalg import sparse
from tf_cvxlayers.linalg.strided_columns import blocks_of

M, N = 30, 40
GRID = np.arange(M * N).reshape(M, N)
SEQUENCES = {
    "all": GRID.ravel(),
    "transposed": GRID.T.ravel(),
    "block": GRID[3:20, 5:33].ravel(),
    "transposed block": GRID[3:25, 5:33].T.ravel(),
    "last rows": GRID[10:, 7:].ravel(),
    "last rows transposed": GRID[10:, 7:].T.ravel(),
    "rows of two matrices": np.concatenate([GRID[:18].T, GRID[20:].T], axis=1).ravel(),
    "block and one number": np.concatenate([GRID[:20].T.ravel(), np.full(50, 7)]),
    "every third": np.arange(M * N)[::3],
    "a column thrice": np.repeat(GRID[:, 4], 20),
    "in each row, one number thrice and two once": np.stack(
        [GRID[:, k] for k in (2, 2, 2, 5, 6)] * 4, axis=1
    ).ravel(),
    "rows of repeated numbers": np.tile(GRID[:20, 3], 30),
    "backwards": GRID.ravel()[::-1],
    "disorder": np.random.default_rng(0).permutation(M * N),
}


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_columns_are_those_asked_for(name, batch):
    columns = SEQUENCES[name]
    values = np.random.default_rng(1).normal(size=(batch, M * N))
    found = sparse.take(tf.constant(values), columns)
    np.testing.assert_array_equal(found, values[:, columns])


@pytest.mark.parametrize("name", SEQUENCES)
def test_gradients_go_back_where_values_came_from(name):
    columns = SEQUENCES[name]
    values = tf.constant(np.random.default_rng(1).normal(size=(2, M * N)))
    weights = np.random.default_rng(2).normal(size=(2, columns.size))
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = tf.reduce_sum(sparse.take(values, columns) * weights)
    expected = np.zeros((2, M * N))
    np.add.at(expected, (slice(None), columns), weights)
    found = tf.convert_to_tensor(tape.gradient(total, values))
    np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("shared", [(), (0,), (0, 1)])
def test_columns_of_several_tensors_are_those_of_all_side_by_side(shared):
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(1 if k in shared else 3, 600)) for k in range(2)]
    both = np.concatenate([np.broadcast_to(part, (3, 600)) for part in parts], axis=1)
    grid = np.arange(1200).reshape(2, 20, 30)
    for columns in (grid.transpose(2, 0, 1).ravel(), rng.permutation(1200), grid[1].T):
        columns = columns.ravel()
        found = sparse.take([tf.constant(part) for part in parts], columns)
        expected = both[:, columns]
        np.testing.assert_array_equal(np.broadcast_to(found, expected.shape), expected)
    needed = sparse.take([tf.constant(part) for part in parts], np.arange(3))
    assert needed.shape[0] == (1 if 0 in shared else 3)


def test_dense_blocks_are_recognized():
    zeros = np.zeros(M * N, int)
    for name in ("transposed", "block", "transposed block", "rows of two matrices"):
        columns = SEQUENCES[name]
        assert blocks_of(columns, zeros[: columns.size], [M * N]) is not None
    assert blocks_of(SEQUENCES["disorder"], zeros, [M * N]) is None


@pytest.mark.parametrize("seed", range(20))
def test_sequences_of_repeated_strided_and_broken_runs(seed):
    print(f"{seed=}")
    rng = np.random.default_rng(seed)
    recognized = 0
    for _ in range(20):
        size = int(rng.integers(300, 1500))
        columns: list[int] = []
        while len(columns) < 500:
            start, rows = int(rng.integers(size)), int(rng.integers(1, 250))
            phases = [
                (
                    int(rng.integers(6)),
                    int(rng.integers(1, 6)),
                    int(rng.choice([0, 0, 1, 1, 2, rows])),
                    int(rng.integers(7)),
                )
                for _ in range(rng.integers(1, 4))
            ]
            own = [
                start + offset + row * step + k * stride
                for row in range(rows)
                for offset, length, stride, step in phases
                for k in range(length)
            ]
            columns += own if max(own) < size else []
        chosen = np.array(columns)
        recognized += blocks_of(chosen, np.zeros(chosen.size, int), [size]) is not None
        values = rng.normal(size=(2, size))
        found = sparse.take(tf.constant(values), chosen)
        np.testing.assert_array_equal(found, values[:, chosen])
    assert recognized
