"""From a statement in CVXPY to a cone program, or to the reason why there is none."""
