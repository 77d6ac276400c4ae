"""CVXPY's atoms, one after another, with parameters in every place DPP allows.

python -m tests.atoms.run              # writes docs/atoms.md
"""
