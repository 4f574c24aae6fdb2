"""Rank filters on NumPy arrays: minimum, maximum, median and their kin."""
