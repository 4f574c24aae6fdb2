"""Minimum, maximum, median, rank and percentile filters against SciPy's bytes, and where SciPy is wrong, against us."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import rank_cases
import scipy.ndimage as scipy_ndimage
from differential import called, same, shown

import fastconv.ndimage as ndi

CASES = 40  # for each function by default; thousands under -m fuzz


def garbage(array: np.ndarray, options: dict[str, Any]) -> bool:
    """Whether SciPy reads beside the array: sets of taps that reach 4 times an axis under reflect."""
    if options["mode"] not in ("reflect", "grid-mirror"):
        return False
    size = np.shape(options["footprint"]) if "footprint" in options else np.atleast_1d(options["size"])
    axes = options.get("axes", range(array.ndim))
    return min(array.shape) * 4 <= max(size) or any(array.shape[a] == 1 for a in axes)


def compare(seed: int, name: str | None = None) -> None:
    rng = np.random.default_rng(seed)
    name, arguments, options = rank_cases.case(rng, name)
    if garbage(arguments[0], options):
        options["mode"] = "mirror"
    got = called(ndi, name, arguments, options)
    wanted = called(scipy_ndimage, name, arguments, options)
    image = arguments[0]
    assert same(got, wanted), f"seed {seed}: {name}({image.dtype}{image.shape}, {shown(options)}): {got} {wanted}"


@pytest.mark.parametrize("name", rank_cases.NAMES)
def test_bytes_are_scipys(name: str) -> None:
    for seed in range(CASES):
        compare(seed, name)


@pytest.mark.fuzz
@pytest.mark.parametrize("start", range(0, 10_000, 500))
def test_bytes_are_scipys_at_length(start: int) -> None:
    for seed in range(start + 1000, start + 1500):
        compare(seed)
