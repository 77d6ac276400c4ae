"""Difficult programs with known answers and gradients: `python -m tests.hard.run`.

Every program is made backwards from its solution, moved into awkward coordinates,
rounded to float64, and solved again for the *rounded* numbers in a fixed-point
arithmetic of more than a hundred digits. No part of the package takes part in that.
"""
