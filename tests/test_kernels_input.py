"""Kernels from text, and what every coefficient maker says to bad input."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastconv import kernels

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 2 1; 2 4 2; 1 2 1", [[1, 2, 1], [2, 4, 2], [1, 2, 1]]),
        ("1,2,3;4,5,6", [[1, 2, 3], [4, 5, 6]]),
        ("  1 , 2\t3  ", [[1, 2, 3]]),
        ("1 0\n0 -1\n", [[1, 0], [0, -1]]),
        ("\n 1 0;\r\n\n 0 -1 ;\n", [[1, 0], [0, -1]]),
        ("1/9 -1/4 1/-8 0.5/2", [[1 / 9, -0.25, -0.125, 0.25]]),
        ("1e-3 +2.5E+2 .5 5. -0", [[1e-3, 250, 0.5, 5.0, 0.0]]),
        ("7", [[7]]),
        ("1;2;3", [[1], [2], [3]]),
    ],
)
def test_parse(text, expected):
    kernel = kernels.parse(text)
    assert kernel.dtype == np.float64
    assert kernel.ndim == 2
    assert_array_equal(kernel, np.array(expected, float))
    assert_array_equal(kernels.from_spec(f" {text}"), kernel)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one number"),
        (" \n ", "at least one number"),
        (";", "row 1 must have a number"),
        ("1 2; 3", "row 1 has 2 numbers, row 2 has 1"),
        ("1 2\n3 4 5", "row 1 has 2 numbers, row 2 has 3"),
        ("1 2;;3 4", "row 2 must have a number"),
        ("1,,2", "row 1 must have a number"),
        ("1 2,", "row 1 must have a number"),
        ("1 two", "'two'"),
        ("1 nan", "'nan'"),
        ("1 -inf", "'-inf'"),
        ("1e999 1", "'1e999'"),
        ("1/0 1", "'1/0'"),
        ("1/2/3", "'1/2/3'"),
        ("1_000", "'1_000'"),
        ("0x10", "'0x10'"),
        ("1j", "'1j'"),
        ("1 / 9", "'/'"),
        ("[[1, 2], [3, 4]]", r"'\[\[1'"),
        ("\u0661 2", "'\u0661'"),
    ],
)
def test_parse_says_what_is_wrong(text, message):
    with pytest.raises(ValueError, match=message):
        kernels.parse(text)


@pytest.mark.parametrize("text", [None, 3, b"1 2", [[1, 2]], np.eye(3)])
def test_text_must_be_text(text):
    with pytest.raises(TypeError, match="text must be text such as"):
        kernels.parse(text)
    with pytest.raises(TypeError, match="spec must be text such as"):
        kernels.from_spec(text)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("sobel", kernels.sobel(1)),
        ("sobel:0", kernels.sobel(0)),
        (" sobel : axis = 0 , ndim=3 ", kernels.sobel(0, 3)),
        ("gaussian:2", kernels.gaussian(2.0)),
        ("gaussian:1/2", kernels.gaussian(0.5)),
        ("gaussian:2x0.5,order=1x0,truncate=3", kernels.gaussian((2.0, 0.5), order=(1, 0), truncate=3.0)),
        ("gaussian:sigma=1,radius=2", kernels.gaussian(1.0, radius=2)),
        ("box:3x5", kernels.box((3, 5))),
        ("box:3,ndim=3", kernels.box(3, ndim=3)),
        ("laplace", kernels.laplace()),
        ("laplace:diagonals=True", kernels.laplace(diagonals=True)),
        ("gaussian-laplace:1.5", kernels.gaussian_laplace(1.5)),
        ("unsharp:radius=3,amount=0.8", kernels.unsharp(3.0, 0.8)),
        ("unsharp", kernels.unsharp()),
        ("gabor:0.1,theta=-0.5,part=imag", kernels.gabor(0.1, theta=-0.5, part="imag")),
        ("motion:15,angle=45", kernels.motion(15, 45)),
        ("emboss", kernels.emboss()),
    ],
)
def test_from_spec(spec, expected):
    assert_array_equal(kernels.from_spec(spec), expected)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "at least one number"),
        ("sobell", "kernel must be one of binomial, box, .*got 'sobell'"),
        ("Sobel", "got 'Sobel'"),
        ("box", "box.*missing a required argument: 'size'"),
        ("box:", r"written box\[:value\]\[,key=value ...\] with keys size, ndim"),
        ("box:3,", "written box"),
        ("box:3,5", "written box"),
        ("box:3,width=5", "written box"),
        ("box:size=3,size=4", "size once"),
        ("box:3,size=4", "size once"),
        ("box:2.5", "'box:2.5': size must be an integer"),
        ("box:3xa", "size must be an integer"),
        ("box:0", "size must be an integer from 1"),
        ("box:3x3,ndim=3", "size must be one number, or 3 of them"),
        ("box:99999999999999999999", "size must be an integer"),
        ("emboss:1", "written emboss alone"),
        ("gaussian:wide", "sigma must be a finite number >= 0"),
        ("gaussian:1e12", "sigma must be a finite number >= 0 and <= 1048576; got 1000000000000.0"),
        ("gaussian:nan", "sigma must be"),
        ("gaussian:-1", "sigma must be"),
        ("gaussian:1/0", "sigma must be"),
        ("gabor:0.2,part=both", "part must be one of real, imag; got 'both'"),
        ("laplace:diagonals=1", "diagonals must be True or False"),
        ("nan 1", "got 'nan 1'"),
    ],
)
def test_from_spec_says_what_is_wrong(spec, message):
    with pytest.raises(ValueError, match=message):
        kernels.from_spec(spec)


#: call -> error and what its text must hold: the argument's name, and what is allowed
BAD = [
    (lambda: kernels.gaussian_taps(NAN), ValueError, "sigma must be a finite number >= 0 and <= 1048576; got nan"),
    (lambda: kernels.gaussian_taps(INF), ValueError, "sigma .*got inf"),
    (lambda: kernels.gaussian_taps(-1), ValueError, "sigma .*got -1"),
    (lambda: kernels.gaussian_taps(1e12), ValueError, "sigma .*got 1000000000000.0"),
    (lambda: kernels.gaussian_taps(10**400), ValueError, "sigma .*got 1000"),
    (lambda: kernels.gaussian_taps("2"), TypeError, r"sigma .*got str \('2'\)"),
    (lambda: kernels.gaussian_taps(None), TypeError, "sigma .*got NoneType"),
    (lambda: kernels.gaussian_taps(True), TypeError, "sigma .*got bool"),
    (lambda: kernels.gaussian_taps(np.True_), TypeError, "sigma .*got bool"),
    (lambda: kernels.gaussian_taps(1j), TypeError, "sigma .*got complex"),
    (lambda: kernels.gaussian_taps([1.0]), TypeError, "sigma .*got list"),
    (lambda: kernels.gaussian_taps(np.ones(1)), TypeError, "sigma .*an array of float64"),
    (lambda: kernels.gaussian_taps(Decimal(1)), TypeError, "sigma .*got Decimal"),
    (lambda: kernels.gaussian_taps(1.0, order=-1), ValueError, "order must be an integer from 0 to 32; got -1"),
    (lambda: kernels.gaussian_taps(1.0, order=33), ValueError, "order .*got 33"),
    (lambda: kernels.gaussian_taps(1.0, order=1.0), TypeError, "order .*got float"),
    (lambda: kernels.gaussian_taps(1.0, order=True), TypeError, "order .*got bool"),
    (lambda: kernels.gaussian_taps(1.0, order=None), TypeError, "order .*got NoneType"),
    (lambda: kernels.gaussian_taps(1e-14, order=30), ValueError, "sigma must be larger .*order 30"),
    (lambda: kernels.gaussian_taps(1.0, truncate=0), ValueError, "truncate must be a finite number > 0; got 0"),
    (lambda: kernels.gaussian_taps(1.0, truncate=-4.0), ValueError, "truncate"),
    (lambda: kernels.gaussian_taps(1.0, truncate=NAN), ValueError, "truncate"),
    (lambda: kernels.gaussian_taps(1.0, truncate=1e9), ValueError, r"truncate \* sigma must be at most 1048576"),
    (lambda: kernels.gaussian_taps(9.0, truncate=1e308), ValueError, r"truncate \* sigma .*got inf"),
    (lambda: kernels.gaussian_taps(1.0, radius=-1), ValueError, "radius must be an integer from 0 to 1048576"),
    (lambda: kernels.gaussian_taps(1.0, radius=2.0), TypeError, "radius .*got float"),
    (lambda: kernels.gaussian_taps(0.0, radius=10**9), ValueError, "radius"),
    (lambda: kernels.gaussian((1, 2, 3), ndim=2), ValueError, "sigma must be one number, or 2 of them"),
    (lambda: kernels.gaussian((1, -2)), ValueError, r"sigma\[1\] must be .*got -2"),
    (lambda: kernels.gaussian(()), ValueError, "sigma must be one number, or one for each axis"),
    (lambda: kernels.gaussian(1.0, order=(1, 2, 3), ndim=2), ValueError, "order"),
    (lambda: kernels.gaussian((1, 2), radius=(1, 2, 3)), ValueError, "radius"),
    (lambda: kernels.gaussian(np.ones((2, 2))), TypeError, r"sigma\[0\]"),
    (lambda: kernels.gaussian(1.0, ndim=0), ValueError, "ndim must be an integer from 1 to 32; got 0"),
    (lambda: kernels.gaussian(1.0, ndim=33), ValueError, "ndim"),
    (lambda: kernels.gaussian(1.0, ndim=2.0), TypeError, "ndim"),
    (lambda: kernels.gaussian_laplace(0.0), ValueError, "sigma must be > 0 along every axis"),
    (lambda: kernels.gaussian_laplace((1.0, 0.0)), ValueError, "sigma must be > 0 along every axis"),
    (lambda: kernels.difference_of_gaussians(2.0, 1.0), ValueError, r"high must be at least low \(2.0\)"),
    (lambda: kernels.difference_of_gaussians((1, 2), (2, 1)), ValueError, "high must be at least low"),
    (lambda: kernels.difference_of_gaussians(1e6), ValueError, "high"),
    (lambda: kernels.unsharp(-1.0), ValueError, "radius"),
    (lambda: kernels.unsharp(1.0, NAN), ValueError, "amount must be a finite number; got nan"),
    (lambda: kernels.sharpen("much"), TypeError, "amount"),
    (lambda: kernels.box_taps(0), ValueError, "size must be an integer from 1 to 2097153; got 0"),
    (lambda: kernels.box_taps(-3), ValueError, "size"),
    (lambda: kernels.box_taps(3.0), TypeError, "size .*got float"),
    (lambda: kernels.box_taps(10**9), ValueError, "size"),
    (lambda: kernels.box_taps("3"), TypeError, "size"),
    (lambda: kernels.box((3, 0)), ValueError, r"size\[1\]"),
    (lambda: kernels.box((10**6, 10**6)), ValueError, "at most 16777216 coefficients; got 1000000 x 1000000"),
    (lambda: kernels.binomial_taps(1025), ValueError, "size must be an integer from 1 to 1024"),
    (lambda: kernels.smoothing_taps("canny"), ValueError, "operator must be one of sobel, prewitt, scharr, farid"),
    (lambda: kernels.derivative_taps(1), TypeError, "operator"),
    (lambda: kernels.sobel(2), ValueError, "axis must be an integer from -2 to 1; got 2"),
    (lambda: kernels.sobel(-4, 3), ValueError, "axis must be an integer from -3 to 2; got -4"),
    (lambda: kernels.sobel(0.0), TypeError, "axis"),
    (lambda: kernels.sobel(None), TypeError, "axis"),
    (lambda: kernels.scharr(0, 0), ValueError, "ndim"),
    (lambda: kernels.farid(0, 16), ValueError, "coefficients"),
    (lambda: kernels.roberts(2), ValueError, "axis must be an integer from -2 to 1"),
    (lambda: kernels.laplace(20), ValueError, "coefficients"),
    (lambda: kernels.laplace(2, diagonals=1), TypeError, "diagonals must be True or False"),
    (lambda: kernels.gabor(0), ValueError, "frequency must be a finite number > 0; got 0"),
    (lambda: kernels.gabor(NAN), ValueError, "frequency"),
    (lambda: kernels.gabor(1e-9), ValueError, r"n_stds \* sigma must be at most"),
    (lambda: kernels.gabor(1e-4), ValueError, "a Gabor kernel must have at most"),
    (lambda: kernels.gabor(0.2, n_stds=1e308), ValueError, r"n_stds \* sigma"),
    (lambda: kernels.gabor(0.2, bandwidth=0), ValueError, "bandwidth"),
    (lambda: kernels.gabor(0.2, bandwidth=1e9), ValueError, "bandwidth"),
    (lambda: kernels.gabor(0.2, theta=INF), ValueError, "theta"),
    (lambda: kernels.gabor(0.2, sigma_x=0), ValueError, "sigma_x"),
    (lambda: kernels.gabor(0.2, sigma_x=1e-200, sigma_y=1e-200), ValueError, r"sigma_x \* sigma_y"),
    (lambda: kernels.gabor(0.2, part="complex"), ValueError, "part must be one of real, imag"),
    (lambda: kernels.motion(0), ValueError, "length must be a finite number > 0"),
    (lambda: kernels.motion(1e12), ValueError, "length"),
    (lambda: kernels.motion(1e5, 45), ValueError, "a motion kernel"),
    (lambda: kernels.motion(5, NAN), ValueError, "angle"),
    (lambda: kernels.disk(-1), ValueError, "radius"),
    (lambda: kernels.disk(1e5), ValueError, "a disk"),
    (lambda: kernels.identity(0), ValueError, "ndim"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("two", [2, 2.0, np.float32(2), np.int8(2), np.array(2), np.array(2.0), Fraction(2)])
def test_any_real_number_is_a_sigma(two):
    assert_array_equal(kernels.gaussian_taps(two), kernels.gaussian_taps(2.0))
    assert_array_equal(kernels.gaussian([two, 1]), kernels.gaussian((2.0, 1.0)))


@pytest.mark.parametrize("three", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_any_integer_is_a_size(three):
    assert_array_equal(kernels.box_taps(three), kernels.box_taps(3))
    assert_array_equal(kernels.box(np.array([three, 2])), kernels.box((3, 2)))
