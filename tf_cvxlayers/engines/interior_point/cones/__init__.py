"""The cones of the interior-point method, one file each."""
