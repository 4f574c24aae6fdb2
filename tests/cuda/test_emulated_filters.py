"""The compiled loops, interpreted, against the CPU backend: 301 x 410 with aligned and unaligned rows, and 1080 x 1920.

The interpreter holds every access to its bounds and its alignment; what is held here besides are the answers and how
many 32-byte sectors a request touches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")

from emulated import Device, EmulatedArray, device

import fastconv as fc
from fastconv.backends.cuda import long, march, tile
from fastconv.core.border import MODES

RANDOM = np.random.default_rng(5)
SHAPE = (301, 410)
#: samples before the first one, and from row to row: what wide loads can use, and what they cannot
LAYOUTS = {"aligned": (0, 416), "tight": (0, 410), "shifted": (1, 416)}
IMAGE = RANDOM.random(SHAPE, dtype=np.float32) * 200 - 50


def taps(*sizes: int) -> np.ndarray:
    """Coefficients without any symmetry."""
    made: np.ndarray = np.random.default_rng(sizes).random(sizes) - 0.3
    return made


def held(got: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for a few roundings of the sums' dtype, relative to the largest value; whole numbers by at most 1."""
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    wide, other = expected.astype(np.float64), got.astype(np.float64)
    assert np.array_equal(np.isnan(wide), np.isnan(other))
    if expected.dtype.kind in "iub":
        assert np.abs(wide - other).max() <= 1
        assert (wide != other).mean() < 1e-3
        return
    finite = np.isfinite(wide)
    assert np.array_equal(wide[~finite], other[~finite], equal_nan=True)
    wide, other = wide[finite], other[finite]
    scale = max(1.0, float(np.abs(wide).max(initial=0.0)))
    step = {"float16": 2.0**-10, "float32": 3e-6, "float64": 1e-13}[expected.dtype.name]
    assert np.abs(wide - other).max(initial=0.0) <= step * scale


def check(operator: Callable[..., Any], image: np.ndarray, *arguments: Any, layout: str, **options: Any) -> Device:
    """Run an operator on a device image in one of the layouts, into an ``out`` of the same layout; the device after."""
    expected = operator(image, *arguments, **options)
    offset, pitch = LAYOUTS[layout]
    with device() as there:
        source = there.array(image, offset=offset, pitch=pitch)
        out = there.empty(expected.shape, expected.dtype, offset=offset, pitch=max(pitch, expected.shape[-1]))
        assert operator(source, *arguments, out=out, **options) is out
    held(out.host, expected)
    gaps = np.ones(out.buffer.data.size, bool)
    rows = np.ndarray(out.host.shape, f"V{out.dtype.itemsize}", gaps, 0, out.host.strides)
    rows[...] = b"\0"
    assert (out.buffer.data[gaps] == 255).all(), "stored between the rows"
    return there


WINDOWS = {
    "3x3": (taps(3, 3), {}),
    "5x5": (taps(5, 5), {}),
    "7x4": (taps(7, 4), {}),
    "9x9": (taps(9, 9), {}),
    "holes": (taps(3, 3) * [[1, 0, 1], [0, 0, 0], [1, 1, 0]], {}),
    "one row": (taps(1, 5), {"mode": "wrap"}),
    "one column": (taps(4, 1), {"mode": "constant", "cval": 3.0}),
    "dilated": (taps(3, 3), {"dilation": 2}),
    "dilated far": (taps(3, 3), {"dilation": (5, 17), "mode": "mirror"}),
    "strided": (taps(3, 4), {"stride": (2, 3)}),
    "strided, dilated": (taps(3, 3), {"stride": (2, 1), "dilation": (1, 3)}),
    "origin": (taps(4, 3), {"origin": (-2, 1), "mode": "constant", "cval": -4.0}),
}


def layouts(names: Iterable[str], *both: str) -> list[tuple[str, str]]:
    """Each case in one layout or another; those named ``both`` with aligned rows and with others."""
    found = []
    for k, name in enumerate(names):
        other = ("tight", "shifted")[k % 2]
        found += [
            (name, layout) for layout in (("aligned", other) if name in both else (("aligned", other)[k // 2 % 2],))
        ]
    return found


@pytest.mark.parametrize(("name", "layout"), layouts(WINDOWS, "3x3", "9x9", "dilated"))
def test_windows(name: str, layout: str) -> None:
    kernel, options = WINDOWS[name]
    check(fc.correlate, IMAGE, kernel, method="direct", layout=layout, **options)


LINES = {
    "3": ((3, 3), {}),
    "5 and 2": ((5, 2), {"mode": "constant", "cval": 7.0}),
    "9": ((9, 9), {}),
    "rows only": ((1, 7), {}),
    "columns only": ((7, 1), {}),
    "21": ((21, 21), {}),
    "33 and 11": ((33, 11), {"mode": "constant", "cval": 2.0}),
    "61": ((61, 61), {"mode": "mirror"}),
    "dilated": ((5, 5), {"dilation": 3}),
    "strided": ((5, 5), {"stride": 2}),
    "origin": ((4, 6), {"origin": (1, -3), "mode": "wrap"}),
}


@pytest.mark.parametrize(("name", "layout"), layouts(LINES, "3", "9", "21", "61"))
def test_lines(name: str, layout: str) -> None:
    sizes, options = LINES[name]
    factors = [taps(n) for n in sizes]
    check(fc.correlate_separable, IMAGE, factors, method="separable", layout=layout, **options)


@pytest.mark.parametrize(("mode", "layout"), layouts(MODES, *MODES))
def test_borders(mode: str, layout: str) -> None:
    """Rows of constants have loops of their own; what lies outside is a table for all other modes."""
    image = IMAGE[:101]
    check(fc.correlate, image, taps(3, 5), method="direct", layout=layout, mode=mode, cval=11.0)
    if mode == "constant":
        check(fc.gaussian, image, 0.5, layout=layout, mode=mode, cval=11.0)
    if mode == "constant" or layout == "tight":
        check(fc.gaussian, image, 1.5, layout=layout, mode=mode, cval=11.0)


DTYPES = {
    "uint8": ("same", "float32"),
    "int16": ("same",),
    "uint16": ("float32",),
    "int32": ("same", "uint8"),
    "float16": ("same", "uint8"),
    "float64": ("same",),
    "float32": ("float64", "int16"),
    "bool": ("same",),
}


@pytest.mark.parametrize(("name", "out"), [(name, out) for name, outs in DTYPES.items() for out in outs])
def test_dtypes(name: str, out: str) -> None:
    layout = ("aligned", "shifted")[len(name + out) % 2]
    image = (np.abs(IMAGE[:77]) * (1 if name in ("uint8", "bool", "float16") else 150)).astype(name)
    check(fc.correlate, image, taps(3, 3), method="direct", layout=layout, dtype=out)
    if out == DTYPES[name][0]:
        check(fc.gaussian, image, 0.5, layout=layout, dtype=out)


@pytest.mark.parametrize(
    ("name", "size", "layout"),
    [
        ("float64", (7, 8), "aligned"),
        ("float64", (6, 9), "shifted"),
        ("float64", (9, 9), "aligned"),
    ],
)
def test_windows_of_many_taps(name: str, size: tuple[int, int], layout: str) -> None:
    """Their columns share samples, or a thread has fewer, so that taps and sums fit the registers."""
    check(fc.correlate, np.abs(IMAGE[:40]).astype(name), taps(*size), method="direct", layout=layout, dtype="same")


OPERATORS: dict[str, tuple[Callable[..., Any], np.ndarray, tuple[Any, ...], dict[str, Any]]] = {
    "box": (fc.box, IMAGE, ((7, 4),), {}),
    "large box": (fc.box, IMAGE[:90], ((31, 90),), {"mode": "constant", "cval": 5.0}),
    "longest box": (fc.box, IMAGE[:50], ((201, 301),), {"mode": "wrap"}),
    "strided box": (fc.box, IMAGE, (9,), {"stride": (2, 3)}),
    "magnitude": (fc.sobel, IMAGE, (), {}),
    "sum of terms": (fc.gaussian_laplace, IMAGE, (1.5,), {}),
    "low rank": (fc.correlate, IMAGE, (taps(7, 2) @ taps(2, 7),), {"method": "low_rank"}),
    "colours": (fc.gaussian, IMAGE[:300, :399].reshape(300, 133, 3), (1.0,), {"channel_axis": -1}),
    "colours, 9x9": (
        fc.correlate, IMAGE[:30, :399].reshape(30, 133, 3), (taps(9, 9),), {"channel_axis": -1, "method": "direct"},
    ),
    "colours, window": (
        fc.correlate, IMAGE[:300, :399].reshape(300, 133, 3), (taps(3, 3),), {"channel_axis": -1, "method": "direct"},
    ),
    "planes": (fc.gaussian, IMAGE[:300].reshape(3, 100, 410), (1.0,), {"channel_axis": 0}),
    "many channels": (fc.gaussian, IMAGE[:300, :400].reshape(100, 60, 20), (1.0,), {"channel_axis": -1}),
    "volume": (fc.gaussian, IMAGE[:300].reshape(6, 50, 410), (1.0,), {"axes": (0, 1, 2)}),
    "volume, window": (
        fc.correlate, IMAGE[:300].reshape(6, 50, 410), (taps(3, 2, 3),), {"axes": (0, 1, 2), "method": "direct"},
    ),
    "one dimension": (fc.gaussian, IMAGE.reshape(-1)[:9999], (2.0,), {}),
    "first axis": (fc.correlate1d, IMAGE, (taps(6),), {"axis": 0}),
    "empty": (fc.gaussian, IMAGE[:0], (1.0,), {}),
    "one sample": (fc.gaussian, IMAGE[:1, :1], (3.0,), {}),
    "three rows": (fc.gaussian, IMAGE[:3, :5], (3.0,), {"mode": "mirror"}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name: str) -> None:
    operator, image, arguments, options = OPERATORS[name]
    with device() as there:
        got = operator(there.array(image), *arguments, **options).host
    held(got, operator(image, *arguments, **options))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_its_window(value: float) -> None:
    image = IMAGE[:60, :150].copy()
    image[17, 23] = image[0, 149] = image[40, 0] = value
    calls: list[Callable[[Any], Any]] = [
        lambda x: fc.correlate(x, taps(3, 3), method="direct"),
        lambda x: fc.correlate_separable(x, [taps(3), taps(5)]),
        lambda x: fc.correlate_separable(x, [taps(21), taps(15)]),
        lambda x: fc.box(x, (3, 5)),
        lambda x: fc.correlate(x, [[0, 1, 0], [1, 0, 1], [0, 1, 0]], method="direct", dtype="uint8"),
    ]
    with device() as there:
        results = [call(there.array(image)).host for call in calls]
    for call, got in zip(calls, results, strict=True):
        held(got, call(image))


@pytest.mark.parametrize("count", [5, 21, 61])
def test_taps_of_zero(count: int) -> None:
    """A window leaves them out; a line multiplies by them, but by the middle of antisymmetric taps: as on the CPU."""
    image = IMAGE[:90, :150].copy()
    image[40, 60], image[70, 20], image[10, 100] = np.inf, np.nan, -np.inf
    some, half = taps(count), taps(count // 2)
    some[1::2] = 0
    odd = np.concatenate([-half[::-1], [0], half])
    calls: list[Callable[[Any], Any]] = [
        lambda x: fc.correlate_separable(x, [some, odd], method="separable"),
        lambda x: fc.correlate_separable(x, [odd, some], method="separable"),
        lambda x: fc.correlate(x, some[:, None], method="direct"),
        lambda x: fc.correlate(x, some[None], method="direct"),
        lambda x: fc.correlate1d(x, odd, axis=0, stride=2, method="separable"),
    ]
    with device() as there:
        results = [call(there.array(image)).host for call in calls]
    counts = set()
    for call, got in zip(calls, results, strict=True):
        expected = call(image)
        held(got, expected)
        counts.add(int(np.isnan(expected).sum()))
    assert len(counts) > 2


@pytest.mark.parametrize("layout", ["aligned", "shifted"])
def test_in_place(layout: str) -> None:
    offset, pitch = LAYOUTS[layout]
    with device() as there:
        buffer = there.memory.copy_of(IMAGE, offset=offset, pitch=pitch)
        image = EmulatedArray(buffer)
        assert fc.gaussian(image, 1.0, out=image) is image
        held(image.host, fc.gaussian(IMAGE, 1.0))


#: calls, and the loops that serve them, on a full frame: what a device's memory must move for a pixel
FRAMES: dict[str, tuple[Callable[[Any, Any], Any], list[str]]] = {
    "3x3": (lambda x, out: fc.correlate(x, taps(3, 3), method="direct", out=out), ["march"]),
    "sobel": (lambda x, out: fc.sobel(x, axis=1, out=out), ["march"]),
    "gaussian 3": (lambda x, out: fc.gaussian(x, 3.0, out=out), ["tile"]),
}


@pytest.mark.parametrize(("name", "offset"), [("3x3", 0), ("3x3", 1), ("sobel", 0), ("gaussian 3", 0)])
def test_a_full_frame(name: str, offset: int) -> None:
    call, loops = FRAMES[name]
    height = 1080 if "march" in loops else 216  # a strip shows the same of the tile, whose blocks are 48 to 64 rows
    image = np.random.default_rng(6).random((height, 1920), dtype=np.float32)
    with device() as there:
        out = there.empty(image.shape, image.dtype, offset=offset)
        call(there.array(image, offset=offset), out)
    held(out.host, call(image, np.empty_like(image)))
    assert [launch.name for launch in there.launches] == loops
    counts = there.last.counts
    assert counts.stored() == image.nbytes
    wide = [key for key in counts.requests if key[0] == "global" and key[2] == 16]
    if "march" in loops:
        assert bool(wide) == (offset == 0)
    for key, requests in counts.requests.items():
        # the least is 4 sectors for 32 bits and 16 for 128; rows that begin anywhere touch one more
        limit = 17 if key[2] == 16 else 5
        if key[0] == "global" and (key[1] == "st" or key[2] == 16 or offset):
            assert counts.sectors[key] <= limit * requests, key
    assert counts.conflicts() == 1.0


def test_grids_are_cut_where_a_device_has_no_more_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (long, march, tile):
        monkeypatch.setattr(module, "MOST_BLOCKS", 2)
    monkeypatch.setattr(march.Ready, "most_planes", 2)
    image = IMAGE[:300, :150].reshape(3, 100, 150)
    calls: dict[str, Callable[[Any], Any]] = {
        "march": lambda x: fc.correlate(x, taps(3, 3), channel_axis=0, method="direct", dilation=(3, 1)),
        "tile": lambda x: fc.gaussian(x, 2.0, channel_axis=0),
        "down": lambda x: fc.gaussian(x, (10.0, 0.0), channel_axis=0),
        "across": lambda x: fc.gaussian(x, (0.0, 10.0), channel_axis=0),
    }
    with device() as there:
        for name, call in calls.items():
            before = len(there.launches)
            held(call(there.array(image)).host, call(image))
            made = there.launches[before:]
            assert {launch.name for launch in made} == {name}
            assert len(made) >= 2
            assert all(launch.blocks[1] <= 2 and launch.blocks[2] <= 2 for launch in made)
