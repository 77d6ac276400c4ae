"""Matrices and vectors over a batch, in TensorFlow ops."""
