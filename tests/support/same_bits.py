"""Comparing the arrays of two trainings."""

import numpy as np


def assert_same_bits(one, two):
    """Two dictionaries with the same names, and the same arrays by them."""
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
