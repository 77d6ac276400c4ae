"""The families of programs. Each makes an instance from two generators.

The first is for numbers. The second starts anew for every element, so what is drawn
from it is the same for the whole batch: the sizes.
"""
