"""The linear filters against SciPy's bytes; where SciPy is wrong, against index maps."""

from __future__ import annotations

import linear_cases
import numpy as np
import pytest
import scipy.ndimage as scipy_ndimage
from differential import called, same, shown

import fastconv.ndimage as ndi

CASES = 60  # for each function by default; thousands under -m fuzz


def garbage(name: str, image: np.ndarray, arguments: tuple, options: dict) -> bool:
    """Whether SciPy reads beside the array: kernels that reach 4 times an axis under reflect."""
    if name not in ("correlate", "convolve") or options["mode"] not in ("reflect", "grid-mirror"):
        return False
    return min(image.shape) * 4 <= max(arguments[1].shape) or 1 in image.shape


def compare(seed: int, name: str | None = None) -> None:
    rng = np.random.default_rng(seed)
    name, arguments, options = linear_cases.case(rng, name)
    image = arguments[0]
    if garbage(name, image, arguments, options):
        options["mode"] = "mirror"
    if options.get("output") == "same" and np.iscomplexobj(arguments[-1]):
        del options["output"]  # with complex weights SciPy reads what it has overwritten
    got = called(ndi, name, arguments, options)
    wanted = called(scipy_ndimage, name, arguments, options)
    weights = arguments[1:] if np.size(arguments[-1]) < 30 else "..."
    assert same(got, wanted), (
        f"seed {seed}: {name}({image.dtype}{image.shape}{image.strides}, {weights}, {shown(options)}): {got} {wanted}"
    )


@pytest.mark.parametrize("name", linear_cases.NAMES)
def test_bytes_are_scipys(name: str) -> None:
    for seed in range(CASES):
        compare(seed, name)


@pytest.mark.fuzz
@pytest.mark.parametrize("start", range(0, 20_000, 500))
def test_bytes_are_scipys_at_length(start: int) -> None:
    for seed in range(start + 1000, start + 1500):
        compare(seed)
