"""Spectra by the array's own library, CuPy's and PyTorch's calls answered by NumPy; our loops gather and store."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")

from emulated import Device, EmulatedArray, device

import fastconv as fc
from fastconv.backends import cuda as backend

RANDOM = np.random.default_rng(8)
IMAGE = RANDOM.random((61, 83), dtype=np.float32) * 100 - 20
KERNEL = RANDOM.random((11, 8)) - 0.3


class Spectrum:
    """A library's complex array: what the package may do with one."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def conj(self) -> Spectrum:
        return Spectrum(self.values.conj())

    def __imul__(self, other: Spectrum) -> Spectrum:
        self.values *= other.values
        return self


class Foreign(EmulatedArray):
    """An array of the library that stands in for CuPy or PyTorch."""

    device = SimpleNamespace(id=0, index=0)


def library(there: Device, name: str) -> Any:
    """A module with as much of the library as the package may use, its names for axes and nothing else."""
    made: list[str] = []

    def rfftn(array: Foreign, s: tuple[int, ...], axes: tuple[int, ...]) -> Spectrum:
        made.append("rfftn")
        values = np.fft.rfftn(array.host, s, axes)
        return Spectrum(values.astype(np.complex64 if array.dtype == np.float32 else np.complex128))

    def irfftn(spectrum: Spectrum, s: tuple[int, ...], axes: tuple[int, ...]) -> Foreign:
        made.append("irfftn")
        values = np.fft.irfftn(spectrum.values, s, axes)
        values = values.astype(np.float32 if spectrum.values.dtype == np.complex64 else np.float64)
        turned = there.memory.copy_of(np.ascontiguousarray(values.swapaxes(-1, -2)))  # as PyTorch's may lie
        return Foreign(turned, turned.array.swapaxes(-1, -2))

    def empty(shape: Any, dtype: Any, device: Any = None) -> Foreign:
        return Foreign(there.memory.empty(shape, dtype))

    stream = SimpleNamespace(ptr=0, cuda_stream=0)
    fft = SimpleNamespace(rfftn=rfftn, irfftn=irfftn)
    if name == "torch":  # its word for axes
        fft = SimpleNamespace(
            rfftn=lambda array, s, *, dim: rfftn(array, s, dim), irfftn=lambda array, s, *, dim: irfftn(array, s, dim)
        )
    names = {dtype: dtype for dtype in ("float16", "float32", "float64", "uint8", "int16")}
    cuda = SimpleNamespace(current_stream=lambda device: stream, get_current_stream=lambda: stream)
    return SimpleNamespace(fft=fft, empty=empty, cuda=cuda, made=made, **names)


CASES: dict[str, tuple[np.ndarray, np.ndarray, dict[str, Any]]] = {
    "reflect": (IMAGE, KERNEL, {}),
    "constant": (IMAGE, KERNEL, {"mode": "constant", "cval": 9.0, "origin": (2, -1)}),
    "dilated": (IMAGE, KERNEL, {"dilation": (2, 3), "mode": "wrap"}),
    "strided": (IMAGE, KERNEL, {"stride": (2, 3), "mode": "mirror"}),
    "float64": (IMAGE.astype(np.float64), KERNEL, {}),
    "float16": (IMAGE.astype(np.float16), KERNEL, {}),
    "rounded": (np.abs(IMAGE).astype(np.uint8), KERNEL, {"dtype": "int16"}),
    "colours": (IMAGE[:60, :81].reshape(60, 27, 3), KERNEL, {"channel_axis": -1}),
    "one axis": (IMAGE, KERNEL[0], {"axes": 0, "mode": "nearest"}),
    "volume": (IMAGE[:60].reshape(5, 12, 83), KERNEL[:4, :6].reshape(2, 4, 3), {"axes": (0, 1, 2)}),
}


@pytest.mark.parametrize(
    ("name", "library_name"), [*((name, "cupy") for name in CASES), ("reflect", "torch"), ("rounded", "torch")]
)
def test_transforms_of_the_library(name: str, library_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image, kernel, options = CASES[name]
    expected = fc.correlate(image, kernel, method="fft", **options)
    monkeypatch.setattr(Foreign, "__module__", library_name)
    monkeypatch.setattr(backend, "CAPS", replace(backend.CAPS, tile_edges=(32, 32, 16)))  # many tiles
    with device() as there:
        module = library(there, library_name)
        monkeypatch.setitem(sys.modules, library_name, module)
        source = Foreign(there.array(image).buffer)
        for again in (0, 1):  # the kernel's spectrum is kept
            module.made.clear()
            got = fc.correlate(source, kernel, method="fft", **options)
            assert module.made.count("rfftn") == module.made.count("irfftn") + 1 - again
        assert module.made.count("irfftn") > 1 or name == "dilated"  # whose tile is larger than the image
        assert type(got) is Foreign
        assert {launch.name for launch in there.launches} <= {"window", "copy"}
        assert "by name" in fc.explain(source, kernel, **options).refused["fft"]
        assert fc.explain(source, kernel, method="fft", **options).method == "fft"
    assert got.host.dtype == expected.dtype
    assert got.host.shape == expected.shape
    scale = float(np.abs(expected.astype(np.float64)).max())
    step = {"float16": 1e-3, "float32": 3e-6, "float64": 1e-13, "int16": 1.01 / scale}[expected.dtype.name]
    assert np.abs(got.host.astype(np.float64) - expected).max() <= step * scale


def test_other_libraries_have_none() -> None:
    with device() as there:
        for image in (there.array(IMAGE), IMAGE):
            with pytest.raises(ValueError, match=r"method must be one of auto, direct.*CuPy and PyTorch"):
                fc.correlate(image, KERNEL, method="fft", backend="cuda")
        assert not there.launches
