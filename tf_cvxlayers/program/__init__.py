"""The record in the middle: a parametrized cone program, its cones, its bytes."""
