"""The cones as the optimality conditions see them, one file each."""
