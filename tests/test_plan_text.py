"""The text of a plan: short, narrow, and true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_plan_choose import SOBEL_X, log_matrix, noise, plan

from fastconv.core.describe import describe

PLANS: list[tuple[str, Any, dict[str, Any]]] = [
    ("sobel", SOBEL_X, {"dtype": "uint8"}),
    ("log", log_matrix(12, 3.0), {}),
    ("box", np.ones((15, 15)) / 225, {"dtype": "uint8", "out": "uint8"}),
    ("random", noise(7, 7), {"shape": (100, 120)}),
    ("fft", noise(63, 63), {}),
    ("dilated and strided", noise(3, 5), {"dilation": 4, "stride": 2}),
    ("volume", np.ones((5, 5, 5)) / 125, {"shape": (64, 128, 160), "dtype": "float64"}),
    ("one axis", np.array([1.0, -2, 1]), {"shape": (480, 640, 3), "axes": (1,)}),
    ("taps", (noise(81), noise(31)), {}),
    ("rank 9", noise(61, 9) @ noise(9, 61), {"method": "low_rank"}),
    ("4-D", (noise(3), noise(9), noise(2), noise(5)), {"shape": (10, 20, 30, 40), "dtype": "int16", "out": "bool"}),
    ("huge numbers", noise(2, 2) * 1e-300, {"dtype": "float64"}),
]


@pytest.mark.parametrize(("name", "kernel", "options"), PLANS)
def test_every_text_is_short_and_narrow(name: str, kernel: Any, options: dict[str, Any]) -> None:
    p = plan(kernel, **options)
    text = str(p)
    lines = text.split("\n")
    assert len(lines) <= 17, text
    assert max(map(len, lines)) <= 100, text
    assert all(line == line.rstrip() for line in lines), text
    assert text == describe(p)
    assert lines[0].startswith(f"{p.method} correlation, ")
    for offer in p.offers:
        assert any(line[10:].startswith(offer.method) for line in lines), text
    for method, reason in p.refused.items():
        assert reason in text, method


@pytest.mark.parametrize(("name", "kernel", "options"), PLANS[:5])
def test_common_texts_take_at_most_fifteen_lines(name: str, kernel: Any, options: dict[str, Any]) -> None:
    assert len(str(plan(kernel, **options)).split("\n")) <= 15


def test_what_a_text_says() -> None:
    text = str(plan(SOBEL_X, (480, 640), "uint8"))
    lines = {line.split()[0]: line[10:] for line in text.split("\n") if line[0] != " "}
    assert text.split("\n")[0] == "separable correlation, 480 x 640 uint8 -> float32, kernel 3 x 3, border reflect"
    assert "rank is 1" in lines["why"]
    assert lines["pass"] == "[1 2 1] along axis 0, [-1 0 1] along axis 1"
    assert lines["work"] == "5 multiplications a pixel (direct: 6), sums in float32"
    assert lines["memory"].startswith("reads 307 kB, writes 1.23 MB")
    assert lines["error"] == "at most 4.2e-07 sum |w| |x|"
    chosen = [line for line in text.split("\n") if line.endswith("chosen")]
    assert len(chosen) == 1
    assert "separable" in chosen[0]


def test_strides_dilations_axes_and_borders_are_said() -> None:
    text = str(plan(noise(3, 5), dilation=4, stride=2))
    assert "kernel 3 x 5" in text
    assert "stride 2" in text
    assert "dilation 4" in text
    assert "along axis 1" in str(plan(noise(3), (480, 640, 3), axes=(1,))).split("\n")[0]
    p = plan(SOBEL_X)
    mixed = replace(p, problem=replace(p.problem, mode=("wrap", "constant"), cval=-2.5, stride=(1, 3)))
    title = str(mixed).split("work")[0]
    assert "border wrap x constant -2.5" in title
    assert "stride 1 x 3" in title


def test_equal_taps_are_said_once_and_long_ones_shortened() -> None:
    box = str(plan((np.ones(5), np.ones(5), np.ones(5)), (20, 21, 22), method="separable"))
    assert "[1 1 1 1 1] along axes 0 and 1 and 2" in box
    text = str(plan((noise(81), noise(31)), method="separable"))
    assert "81 taps of up to" in text
    assert "31 taps of up to" in text


def test_integer_outputs_add_half_a_grey_level() -> None:
    assert "half a grey level" in str(plan(SOBEL_X, dtype="uint8", out="uint8"))
    assert "half a grey level" not in str(plan(SOBEL_X, dtype="uint8"))


def test_errors_that_are_not_the_windows_own_say_so() -> None:
    assert "max |x| of a tile" in str(plan(noise(9, 9), method="fft"))
    assert "sum |w| max |x|" in str(plan(log_matrix(12, 3.0)))
    assert "sum |w| |x|" in str(plan(noise(3, 3)))


def test_many_terms_are_counted() -> None:
    text = str(plan(noise(61, 9) @ noise(9, 61), method="low_rank"))
    assert "5 more of the same kind" in text


def test_a_plan_without_offers_or_reasons_has_a_text() -> None:
    p = replace(plan(SOBEL_X), offers=(), refused={}, note="")
    assert "offers" not in str(p)
    assert "why" not in str(p)
