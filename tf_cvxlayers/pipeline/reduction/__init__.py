"""A smaller program with the same solution."""
