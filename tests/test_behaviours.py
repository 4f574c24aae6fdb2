"""The README's table of three behaviours says what happens."""

from __future__ import annotations

import behaviours
import numpy as np
import pytest
import scipy.ndimage

import fastconv as fc


@pytest.mark.parametrize("row", behaviours.ROWS, ids=lambda row: row.what)
def test_opencv_gives_these_numbers(row: behaviours.Row) -> None:
    cv2 = pytest.importorskip("cv2")
    assert row.opencv(cv2).reshape(-1).tolist() == list(row.opencv_gives)


def test_the_middle_column_is_scipys() -> None:
    image = behaviours.IMAGE
    assert np.array_equal(fc.ndimage.gaussian_filter(image, 1.0), scipy.ndimage.gaussian_filter(image, 1.0))
    assert np.array_equal(fc.ndimage.uniform_filter(image, 3), scipy.ndimage.uniform_filter(image, 3))
    assert np.array_equal(fc.ndimage.sobel(image, 1), scipy.ndimage.sobel(image, 1))


def test_the_three_differ_where_the_table_says_so() -> None:
    for row in behaviours.ROWS:
        assert not np.array_equal(row.own(dtype="same"), row.scipy()), row.what
