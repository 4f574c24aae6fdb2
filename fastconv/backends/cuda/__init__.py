"""The CUDA backend: executes plans on device arrays, on the caller's stream, without waiting.

Importing this package imports no CUDA: `home()` does, when the first device array or ``backend="cuda"`` arrives, or
says what is missing.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING

from fastconv.core.channels import ChannelProblem
from fastconv.core.errors import bad_value
from fastconv.core.ir import Caps, Plan

from .serves import refusals

if TYPE_CHECKING:
    from .program import Program
    from .views import View

__all__ = ["CAPS", "clear_programs", "execute", "execute_channels", "home", "refusals"]

CAPS = Caps(
    "cuda",
    frozenset({"line", "window", "sum", "spectrum"}),
    by_name={"fft": "only by name, and for arrays whose library has an FFT (CuPy, PyTorch)"},
    tile_edges=(1 << 20, 2048, 256, 64),
)

_MISSING = "backend 'cuda' is not in this installation: {}"


def home() -> ModuleType:
    """The module that takes and makes device arrays; ValueError, saying what to install, where CUDA is not there."""
    if importlib.util.find_spec("numba_cuda") is None:
        raise ValueError(
            _MISSING.format("numba-cuda is missing; pip install 'fastconv[cuda13]' (or cuda12, as your driver says)")
        )
    if not _usable():
        raise ValueError(_MISSING.format("no NVIDIA driver with a device was found; install one, or copy to the host"))
    return importlib.import_module(".arrays", __name__)


def _usable() -> bool:
    from .probe import devices

    return devices() > 0


_programs: OrderedDict[tuple, Program] = OrderedDict()
_lock = Lock()
_KEPT = 128


def clear_programs() -> None:
    """Forget the launches that were made ready, and their tables on the device."""
    with _lock:
        _programs.clear()


def execute(plans: tuple[Plan, ...], combine: str, image: View, out: View, workers: int | None) -> None:
    """Fill ``out`` with the plans' results combined: "sum", or "magnitude" (root of the sum of their squares).

    image, out: of the problems' shapes and dtypes, any strides, not overlapping.  ``workers`` means nothing here.
    """
    from .program import aligned
    from .steps import programmed

    if image.library.fourier is None and any(p.kind == "spectrum" for plan in plans for p in plan.passes):
        known = "one of auto, direct, separable, low_rank, running_sum"
        raise bad_value("method", "fft", f"{known} for these arrays: of device libraries CuPy and PyTorch have an FFT")
    key = (
        plans, image.library.name, combine, image.device, image.strides, image.dtype, aligned(image), out.strides,
        out.dtype, aligned(out),
    )  # fmt: skip
    _kept(key, lambda: programmed(plans, combine, image, out)).run(image, out)


def execute_channels(
    problem: ChannelProblem, method: str, image: View, out: View, weight: View, bias: View | None
) -> None:
    """Fill ``out`` with a convolution over channels; arrays of four dimensions, or of three for one sample."""
    from .channels import programmed
    from .program import aligned
    from .steps import copied

    if not out.size:
        return
    image, out = (view if view.ndim == 4 else view.stacked() for view in (image, out))
    image, weight = (view if view.is_plain() else copied(view) for view in (image, weight))
    if not out.is_plain(rows_only=True):
        from .steps import copy_into

        made = out.empty(out.shape, out.dtype)
        execute_channels(problem, method, image, made, weight, bias)
        copy_into(made, out)
        return
    if bias is not None and not bias.is_plain():
        bias = copied(bias)
    numbers = None if bias is None else bias.dtype
    key = (
        problem, method, image.device, image.strides, image.dtype, out.strides, weight.dtype, numbers,
        aligned(image), aligned(out),
    )  # fmt: skip
    others = (weight,) if bias is None else (bias, weight)
    _kept(key, lambda: programmed(problem, method, image, out, weight, numbers)).run(image, out, *others)


def _kept(key: tuple, make: Callable[[], Program]) -> Program:
    with _lock:
        program = _programs.get(key)
        if program is not None:
            _programs.move_to_end(key)
            return program
    program = make()
    with _lock:
        _programs[key] = program
        while len(_programs) > _KEPT:
            _programs.popitem(last=False)
    return program
