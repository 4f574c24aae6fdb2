"""Which device arrays come in and go out: `__cuda_array_interface__`, DLPack, numba's simulator; never a copy.

Results are made by the caller's own library and filled on the stream it is working on; nothing waits for them.  An
array that says that another stream is still writing it is waited for on the device, by an event.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastconv.core.channels import ChannelProblem
from fastconv.core.dtypes import resolve_output, supported
from fastconv.core.errors import bad_type, bad_value
from fastconv.loops import cuda_target

from .dlpack import CUDA, read
from .views import Fourier, Library, View, contiguous, spans

__all__ = ["LIBRARIES", "as_image", "as_output", "as_view", "convolve", "empty", "fill", "result"]

_NUMBERS = "a device array of bool, integers of at most 64 bits, float16, float32 or float64 in native byte order"


# ---------------------------------------------------------------- libraries


def _torch_dtype(dtype: np.dtype) -> Any:
    return getattr(sys.modules["torch"], "bool" if dtype.kind == "b" else dtype.name)


def _torch_empty(shape: tuple[int, ...], dtype: np.dtype, like: Any) -> Any:
    return sys.modules["torch"].empty(shape, dtype=_torch_dtype(dtype), device=like.device)


def _jax_empty(shape: tuple[int, ...], dtype: np.dtype, like: Any) -> Any:
    jax = sys.modules["jax"]
    made = jax.device_put(jax.numpy.empty(shape, dtype), next(iter(like.devices())))
    return made.block_until_ready()


def _jax_settle(array: Any, stream: int) -> Any:
    cuda_target.synchronise(stream)  # JAX knows nothing of streams that are not its own
    return array


_NUMBA = Library(
    "numba",
    lambda shape, dtype, like: cuda_target.allocate(shape, dtype),
    lambda like: None,
    lambda like: None,
)
#: a library's top module -> its row; an array of any other library gets results of numba's
LIBRARIES = {
    "numba": _NUMBA,
    "cupy": Library(
        "cupy",
        lambda shape, dtype, like: sys.modules["cupy"].empty(shape, dtype),
        lambda like: int(sys.modules["cupy"].cuda.get_current_stream().ptr),
        lambda like: int(like.device.id),
        fourier=Fourier(
            lambda array, shape, axes: sys.modules["cupy"].fft.rfftn(array, shape, axes),
            lambda array, shape, axes: sys.modules["cupy"].fft.irfftn(array, shape, axes),
        ),
    ),
    "torch": Library(
        "torch",
        _torch_empty,
        lambda like: int(sys.modules["torch"].cuda.current_stream(like.device).cuda_stream),
        lambda like: like.device.index,
        fourier=Fourier(
            lambda array, shape, axes: sys.modules["torch"].fft.rfftn(array, shape, dim=axes),
            lambda array, shape, axes: sys.modules["torch"].fft.irfftn(array, shape, dim=axes),
        ),
    ),
    "jax": Library("jax", _jax_empty, lambda like: None, lambda like: None, _jax_settle),
}
#: JAX's arrays come from the module of its compiled half
_ALSO = {"jaxlib": "jax", "numba_cuda": "numba"}


def _library(array: Any) -> Library:
    top = type(array).__module__.partition(".")[0]
    return LIBRARIES.get(_ALSO.get(top, top), _NUMBA)


# ---------------------------------------------------------------- arrays in


def as_view(name: str, array: Any, library: Library | None = None) -> View:
    """A device array's `View`; TypeError or ValueError, naming the argument, where it is none that we can read."""
    library = _library(array) if library is None else library
    if cuda_target.is_array(array):
        return _host_view(name, array._ary, array, library)
    interface = _interface(array)
    if interface is not None:
        return _from_interface(name, array, interface, library)
    if getattr(array, "__dlpack_device__", None) is not None:
        return _from_capsule(name, array, library)
    raise bad_type(name, array, "an array on the device, as the other arrays of the call are")


def _interface(array: Any) -> dict[str, Any] | None:
    try:
        found = getattr(array, "__cuda_array_interface__", None)
    except (RuntimeError, TypeError):  # PyTorch refuses a tensor that requires a gradient here: DLPack says why
        return None
    return found if isinstance(found, dict) else None


def _from_interface(name: str, array: Any, interface: dict[str, Any], library: Library) -> View:
    try:
        pointer, readonly = interface["data"]
        shape, dtype = tuple(interface["shape"]), np.dtype(interface["typestr"])
    except (KeyError, TypeError, ValueError):
        raise bad_type(name, array, f"{_NUMBERS}; its __cuda_array_interface__ is not whole") from None
    if interface.get("mask") is not None:
        raise bad_type(name, array, "an array without a mask; fill it first")
    strides = interface.get("strides")
    stream = interface.get("stream")
    return _made(name, array, pointer or 0, shape, strides, dtype, library, stream, library.device(array), not readonly)


def _from_capsule(name: str, array: Any, library: Library) -> View:
    kind, _ = array.__dlpack_device__()
    if int(kind) not in CUDA:
        raise bad_type(name, array, "an array on a CUDA device, as the other arrays of the call are")
    stream = library.stream(array)
    try:
        capsule = array.__dlpack__(stream=_dlpack_stream(stream or 0))
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise bad_type(name, array, f"{_NUMBERS} ({error})") from None
    tensor = read(capsule)
    if tensor.dtype is None:
        raise bad_type(name, array, _NUMBERS)
    strides = None if tensor.strides is None else tuple(s * tensor.dtype.itemsize for s in tensor.strides)
    view = _made(
        name, array, tensor.pointer, tensor.shape, strides, tensor.dtype, library, stream, tensor.device,
        not tensor.readonly,
    )  # fmt: skip
    return replace(view, owner=_Held(array, capsule) if library is _NUMBA else array)


class _Held:
    """A foreign array and the capsule that keeps its memory."""

    def __init__(self, array: Any, capsule: Any) -> None:
        self.array, self.capsule = array, capsule


def _dlpack_stream(stream: int) -> int:
    """A stream in DLPack's numbers: 1 is the default stream, which CUDA calls 0."""
    return stream or 1


def _made(
    name: str,
    array: Any,
    pointer: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...] | None,
    dtype: np.dtype,
    library: Library,
    written_on: int | None,
    device: int | None,
    writable: bool,
) -> View:
    if not supported(dtype) or not dtype.isnative:
        raise bad_type(name, array, f"{_NUMBERS} (its dtype is {dtype})")
    size = dtype.itemsize
    if pointer % size or any(s % size for s in strides or ()):
        raise bad_value(name, array, "an array whose samples lie at multiples of their size")
    steps = contiguous(shape) if strides is None else tuple(s // size for s in strides)
    own = library.stream(array)
    # numbers of the interface: 1 is the legacy default stream, 2 the default stream of each thread
    other = None if written_on is None else 0 if written_on == 1 else written_on
    stream = (other or 0) if own is None else own
    if own is not None and other is not None and other != own:
        cuda_target.wait_for(own, other)
    view = View(pointer, 0, shape, steps, dtype, array, library, stream, device, writable)
    return _on_host(view, pointer) if cuda_target.SIMULATED else view


def _on_host(view: View, pointer: int) -> View:
    """Under the simulator device memory is the host's own: the flat array that spans the view."""
    if not view.size:
        return replace(view, memory=np.zeros(0, view.dtype), first=0)
    low, high = spans(view)
    import ctypes

    size = view.dtype.itemsize
    raw = (ctypes.c_char * ((high - low + 1) * size)).from_address(pointer + low * size)
    return replace(view, memory=np.frombuffer(memoryview(raw), view.dtype), first=-low)


def _host_view(name: str, array: np.ndarray, owner: Any, library: Library) -> View:
    if not supported(array.dtype) or not array.dtype.isnative:
        raise bad_type(name, owner, f"{_NUMBERS} (its dtype is {array.dtype})")
    steps = tuple(s // array.itemsize for s in array.strides)
    view = View(0, 0, array.shape, steps, array.dtype, owner, library, writable=bool(array.flags.writeable))
    return _on_host(view, array.ctypes.data)


def as_image(image: Any) -> View:
    """The image on the device: itself, or a copy of a NumPy image, whose result goes back to the host."""
    if isinstance(image, np.ndarray):
        if not supported(image.dtype):
            raise bad_type("image", image, _NUMBERS)
        native = np.ascontiguousarray(image, image.dtype.newbyteorder("="))
        view = replace(as_view("image", cuda_target.upload(native.reshape(image.shape)), _NUMBA), home=True)
    else:
        view = as_view("image", image)
    if view.ndim == 0:
        raise bad_value("image", image, "an array of at least one dimension")
    return view


# ---------------------------------------------------------------- arrays out


def as_output(out: Any, dtype: Any, image_dtype: np.dtype) -> np.dtype:
    """The output's dtype, after checking everything of the caller's ``out`` but its shape."""
    view = as_view("out", out)
    if dtype is not None and resolve_output(dtype, image_dtype) != view.dtype:
        raise bad_value("out", out, f"an array of dtype {resolve_output(dtype, image_dtype)}, as dtype= says")
    if not view.writable:
        raise bad_value("out", "a read-only array", "writable")
    if view.size and any(s == 0 and n > 1 for s, n in zip(view.strides, view.shape, strict=True)):
        raise bad_value("out", "a broadcast array", "an array whose elements do not share memory")
    return view.dtype


def empty(shape: tuple[int, ...], dtype: np.dtype, image: View) -> View:
    """Where a new result goes."""
    return image.empty(shape, dtype)


def result(view: View) -> Any:
    """What the caller gets: the array itself, or a host copy where the image came from the host."""
    if view.home:
        return cuda_target.download(view.owner, view.stream)
    return view.library.settle(view.owner, view.stream)


def convolve(problem: ChannelProblem, method: str, image: View, out: View, weight: View, bias: View | None) -> None:
    """Fill ``out`` with a convolution over channels, (N, C, H, W) or (C, H, W)."""
    from . import execute_channels

    execute_channels(problem, method, image, out, weight, bias)


def fill(out: Any, image: View, execute: Callable[[View, View], None], also: Sequence[View] = ()) -> None:
    """Have ``execute(image, target)`` fill the caller's ``out``, which may overlap the image.

    also: what else is read, and must not be written before it has been.
    """
    from .steps import copied, copy_into

    if image.home:
        made = image.empty(out.shape, out.dtype.newbyteorder("="))
        execute(image, made)
        out[...] = result(made)
        return
    target = replace(as_view("out", out), stream=image.stream, device=image.device)
    if any(_overlap(view, target) for view in also):
        made = image.empty(target.shape, target.dtype)
        execute(image, made)
        copy_into(made, target)
    else:
        execute(copied(image) if _overlap(image, target) else image, target)
    target.library.settle(out, image.stream)


def _overlap(a: View, b: View) -> bool:
    if not a.size or not b.size:
        return False
    if cuda_target.SIMULATED:
        return np.may_share_memory(a.memory, b.memory)
    (low_a, high_a), (low_b, high_b) = spans(a), spans(b)
    start_a, stop_a = a.memory + low_a * a.dtype.itemsize, a.memory + (high_a + 1) * a.dtype.itemsize
    start_b, stop_b = b.memory + low_b * b.dtype.itemsize, b.memory + (high_b + 1) * b.dtype.itemsize
    return bool(start_a < stop_b and start_b < stop_a)
