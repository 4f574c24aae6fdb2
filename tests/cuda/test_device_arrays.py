"""Which arrays come in and go out, and on which stream: with the real backend on an interpreted device."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")

from emulated import Device, EmulatedArray, compiled_ptx, device
from ptx import parse

import fastconv as fc
from fastconv.backends.cuda import probe
from fastconv.loops import cuda_target

IMAGE = (np.random.default_rng(3).random((24, 40)) * 9).astype(np.float32)
KERNEL = [[1.0, 2.0, 0.5], [-1.0, 3.0, 0.25]]


class OnlyDLPack:
    """A tensor of a library that has DLPack and nothing else."""

    def __init__(self, buffer: Any, host: np.ndarray) -> None:
        self.buffer, self._host, self.asked = buffer, host, None
        self.shape, self.dtype, self.ndim = host.shape, host.dtype, host.ndim

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, stream: Any = None) -> Any:
        self.asked = stream
        return self._host.__dlpack__()


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "whole": lambda a: a,
    "transposed": lambda a: a.T,
    "upside down": lambda a: a[::-1],
    "mirrored": lambda a: a[:, ::-1],
    "every second row": lambda a: a[::2],
    "every third column": lambda a: a[:, ::3],
    "a part": lambda a: a[3:20, 5:33],
    "one row over and over": lambda a: np.broadcast_to(a[4], (7, 40)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views(name: str) -> None:
    view = VIEWS[name]
    with device() as there:
        buffer = there.array(IMAGE).buffer
        made = fc.correlate(EmulatedArray(buffer, view(buffer.array)), KERNEL, method="direct")
        target = there.memory.copy_of(IMAGE)
        if name != "one row over and over":
            out = EmulatedArray(target, view(target.array))
            fc.correlate(EmulatedArray(buffer, view(buffer.array)), KERNEL, method="direct", out=out)
    expected = fc.correlate(view(IMAGE), KERNEL, method="direct")
    assert np.allclose(made.host, expected, rtol=0, atol=1e-5)
    if name != "one row over and over":
        rest = IMAGE.copy()
        view(rest)[...] = expected
        assert np.allclose(target.array, rest, rtol=0, atol=1e-5)


def test_dlpack_alone() -> None:
    with device() as there:
        buffer = there.array(IMAGE).buffer
        tensor = OnlyDLPack(buffer, buffer.array.T)
        made = fc.correlate(tensor, KERNEL, method="direct")
    assert tensor.asked == 1  # the legacy default stream, in DLPack's numbers
    assert np.allclose(made.host, fc.correlate(IMAGE.T, KERNEL, method="direct"), rtol=0, atol=1e-5)


def test_streams() -> None:
    with device() as there:
        there.stream = 7
        buffer = there.array(IMAGE).buffer
        for written_on, waits in ((None, []), (7, []), (9, [(7, 9)]), (1, [(7, 0)])):
            there.waits.clear()
            fc.gaussian(EmulatedArray(buffer, stream=written_on), 1.0)
            assert there.waits == waits
            assert there.launches[-1].stream == 7


def refused(there: Device) -> dict[str, tuple[type[Exception], str, Callable[[], Any]]]:
    buffer = there.array(IMAGE).buffer
    image, host = EmulatedArray(buffer), np.zeros_like(IMAGE)
    wide = there.array(np.zeros((4, 4), np.complex64))
    address = buffer.address
    return {
        "complex": (TypeError, "image must be", lambda: fc.gaussian(wide, 1.0)),
        "masked": (TypeError, "mask", lambda: fc.gaussian(EmulatedArray(buffer, mask=image), 1.0)),
        "misaligned": (
            ValueError, "multiples of their size",
            lambda: fc.gaussian(EmulatedArray(buffer, data=(address + 2, False)), 1.0),
        ),
        "incomplete": (TypeError, "not whole", lambda: fc.gaussian(EmulatedArray(buffer, data=None), 1.0)),
        "read only": (
            ValueError, "writable", lambda: fc.gaussian(image, 1.0, out=EmulatedArray(buffer, data=(address, True))),
        ),
        "broadcast out": (
            ValueError, "share memory",
            lambda: fc.gaussian(image, 1.0, out=EmulatedArray(buffer, np.broadcast_to(buffer.array[0], IMAGE.shape))),
        ),
        "host out": (TypeError, "out must be on the device", lambda: fc.gaussian(image, 1.0, out=host)),
        "device out": (TypeError, "out must be", lambda: fc.gaussian(host, 1.0, out=image)),
        "device kernel": (TypeError, "kernel", lambda: fc.correlate(host, image)),
        "cpu": (TypeError, "backend 'cpu'", lambda: fc.gaussian(image, 1.0, backend="cpu")),
        "fft": (ValueError, "method must be", lambda: fc.correlate(image, KERNEL, method="fft")),
    }  # fmt: skip


def test_what_is_refused() -> None:
    with device() as there:
        for name, (error, match, call) in refused(there).items():
            with pytest.raises(error, match=match):
                call()
            assert not there.launches, name


def test_host_arrays_go_there_and_back() -> None:
    out = np.zeros_like(IMAGE)
    with device() as there:
        made = fc.correlate(IMAGE, KERNEL, method="direct", backend="cuda")
        assert fc.correlate(IMAGE[::-1], KERNEL, method="direct", backend="cuda", out=out) is out
        assert len(there.launches) == 2
    assert type(made) is np.ndarray
    assert np.allclose(made, fc.correlate(IMAGE, KERNEL, method="direct"), rtol=0, atol=1e-5)
    assert np.allclose(out, fc.correlate(IMAGE[::-1], KERNEL, method="direct"), rtol=0, atol=1e-5)


def test_numba_takes_our_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The launch itself, as far as it goes without a driver: numba-cuda's own checks and its own list of parameters."""
    from numba.cuda import dispatcher

    put = cuda_target.launch
    seen: list[tuple[Any, Any, list[Any]]] = []

    def launch(kernel: Any, blocks: Any, threads: Any, stream: int, arguments: list[Any]) -> None:
        compiled = dispatcher.CUDADispatcher(kernel.function, targetoptions={"extensions": []})
        made = object.__new__(dispatcher._Kernel)
        made.extensions, made.launch_config_sensitive = [], False

        def driver(args: Any, grid: Any, block: Any, stream: Any, shared: int) -> None:
            flat: list[Any] = []
            for kind, value in zip(kernel.signature.args, args, strict=True):
                made._prepare_args(kind, value, stream, [], flat)
            seen.append((grid, block, flat))

        made.launch = driver
        compiled.overloads[kernel.signature.args] = made
        compiled._specialized = True  # what cuda.jit(signature) does after it has compiled
        monkeypatch.setitem(kernel._compiled, None, compiled)
        put(kernel, blocks, threads, stream, arguments)
        compiled.overloads.clear()
        monkeypatch.delitem(kernel._compiled, None)
        there.launch(kernel, blocks, threads, stream, arguments)

    with device() as there:
        monkeypatch.setattr(cuda_target, "launch", launch)
        fc.gaussian(there.array(IMAGE), 1.0)
        fc.gaussian(there.array(IMAGE), 2.0, mode="constant", cval=3)
        fc.nn.conv2d(there.array(IMAGE[None, None]), there.array(IMAGE[None, None, :3, :3]))
        for (grid, block, flat), made in zip(seen, there.launches, strict=True):
            assert (grid, block) == (made.blocks, made.threads)
            params = parse(compiled_ptx(made.kernel)).params
            wanted = [dtype.itemsize for _, dtype, count in params for _ in range(count)]
            assert [8 if type(value) is int else ctypes.sizeof(value) for value in flat] == wanted


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "devices", lambda: 0)
    for call in (lambda: fc.gaussian(IMAGE, 1.0, backend="cuda"), lambda: fc.nn.conv2d(IMAGE, IMAGE, backend="cuda")):
        with pytest.raises(ValueError, match="no NVIDIA driver"):
            call()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'fastconv\[cuda13\]'"):
        fc.gaussian(IMAGE, 1.0, backend="cuda")
