"""What is installed and how it is set (`info`), and compiling ahead of the first image (`warmup`)."""

from __future__ import annotations

import importlib
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastconv.core.dtypes import resolve_output
from fastconv.core.errors import bad_type, bad_value
from fastconv.core.threads import worker_count

from . import filters, nn

__all__ = ["Table", "info", "warmup"]

_PACKAGES = ("numpy", "numba", "llvmlite", "scipy", "scikit-image", "pillow")
_PREFIXES = ("FASTCONV_", "NUMBA_")
_VARIABLES = ("OMP_NUM_THREADS",)


class Table(dict[str, Any]):
    """A dict that prints as aligned lines."""

    def __str__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:<{width}}  {_text(value)}" for name, value in self.items())

    __repr__ = __str__


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={v}" for k, v in value.items()) or "none"
    if isinstance(value, float):
        return f"{value:.2f} s"
    return str(value)


def info() -> Table:
    """What this installation is made of and how it is set.

    Returns
    -------
    mapping, which prints as a table: versions, the processor, the threads a call may use, the backends, where
    compiled code is kept, and the environment variables that are set and read.

    >>> import fastconv as fc
    >>> report = fc.info()
    >>> report["fastconv"] == fc.__version__, report["threads"] >= 1
    (True, True)
    """
    report = Table(fastconv=_version("fastconv"), python=f"{platform.python_version()} on {platform.platform()}")
    report.update({name: _version(name) for name in _PACKAGES})
    report["processor"] = _processor()
    report["cores"] = os.cpu_count() or 1
    report["threads"] = worker_count(None)
    report["backends"] = "cpu"
    report["cache"] = _cache()
    report["environment"] = {
        name: value for name, value in sorted(os.environ.items()) if name.startswith(_PREFIXES) or name in _VARIABLES
    }
    return report


def _version(package: str) -> str:
    if package == "fastconv":
        return str(importlib.import_module("fastconv").__version__)
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _cache() -> str:
    from fastconv.loops.jit import cache_directory  # loads the compiler

    return str(cache_directory() or "nowhere: loops are compiled anew in every process")


_ASYMMETRIC = [[1.0, 2.0, 0.5], [-3.0, 4.0, 1.0], [2.0, 7.0, -1.0]]
#: the common filters: what it is called -> the call
_COMMON: dict[str, Callable[..., Any]] = {
    "sobel": lambda image, **o: filters.sobel(image, **o),
    "sobel along one axis": lambda image, **o: filters.sobel(image, axis=1, **o),
    "gaussian 1": lambda image, **o: filters.gaussian(image, 1.0, **o),
    "gaussian 3": lambda image, **o: filters.gaussian(image, 3.0, **o),
    "box 5": lambda image, **o: filters.box(image, 5, **o),
    "kernel 3x3": lambda image, **o: filters.correlate(image, _ASYMMETRIC, method="direct", **o),
    "laplace": lambda image, **o: filters.laplace(image, **o),
    "unsharp mask": lambda image, **o: filters.unsharp_mask(image, **o),
}


def _layer(call: str, kernel: int, sizes: Sequence[tuple[int, int, int]], **options: Any) -> Callable[[Any], None]:
    """Convolutions of ``sizes``: channels in, channels out, pixels along each side."""

    def run(kind: Any) -> None:
        for c_in, c_out, n in sizes:
            x = np.zeros((1, c_in, n, n), kind)
            weight = (c_in, 1) if "depth" in call else (c_in, c_out) if "transpose" in call else (c_out, c_in)
            # weights of zeros would be taken apart
            taps = np.random.default_rng(0).random((*weight, kernel, kernel)).astype(kind)
            getattr(nn, call)(x, taps, **options)

    return run


_FEW, _SEVERAL, _MANY = (3, 16, 224), (32, 64, 56), (256, 256, 14)
#: common layers of float32 and float64: those of few, of several and of many channels may have other loops
_LAYERS: dict[str, Callable[[Any], None]] = {
    "conv2d 3x3": _layer("conv2d", 3, (_FEW, _SEVERAL, _MANY), padding=1),
    "conv2d 3x3 stride 2": _layer("conv2d", 3, (_FEW, _SEVERAL, _MANY), padding=1, stride=2),
    "conv2d 1x1": _layer("conv2d", 1, (_SEVERAL, _MANY)),
    "depthwise 3x3": _layer("depthwise_conv2d", 3, (_SEVERAL, _MANY), padding=1),
    "transposed 4x4 stride 2": _layer("conv_transpose2d", 4, (_SEVERAL, _MANY), padding=1, stride=2),
}


def warmup(
    dtypes: DTypeLike | Sequence[DTypeLike] = ("uint8", "float32"), *, names: Sequence[str] | None = None
) -> Table:
    """Compile the common filters and layers now, so that the first image does not wait for them.

    What is compiled is kept on disk: in later processes the same call takes a fraction of a second.

    Parameters
    ----------
    dtypes : image dtypes, one or several.  Their default result dtypes are compiled.
    names : which ones; None is all of the filters "sobel", "sobel along one axis", "gaussian 1", "gaussian 3", "box 5",
        "kernel 3x3", "laplace" and "unsharp mask", and for float32 and float64 of `fastconv.nn`'s layers "conv2d 3x3",
        "conv2d 3x3 stride 2", "conv2d 1x1", "depthwise 3x3" and "transposed 4x4 stride 2".  A layer's loops depend on
        its kernel, stride and dilation and, by the algorithm, somewhat on channels and pixels: call the layers that you
        use once, for the rest.  No loop depends on a weight's values.

    Returns
    -------
    mapping from "name, dtype" to seconds, which prints as a table.

    Raises
    ------
    TypeError, ValueError : a dtype that images cannot have; an unknown name, or only layers for other dtypes.

    >>> import fastconv as fc
    >>> list(fc.warmup("float32", names=["gaussian 1"]))
    ['gaussian 1, float32']
    """
    several = dtypes if isinstance(dtypes, list | tuple) else (dtypes,)
    if not several:
        raise bad_value("dtypes", dtypes, "one or more dtypes")
    kinds = [resolve_output(_named(d), np.dtype(np.float32)) for d in several]
    if isinstance(names, str):
        raise bad_type("names", names, "None or a sequence of strings")
    chosen = [*_COMMON, *_LAYERS] if names is None else list(names)
    for name in chosen:
        if name not in _COMMON and name not in _LAYERS:
            raise bad_value("names", name, f"some of {', '.join((*_COMMON, *_LAYERS))}")
    if chosen and all(name in _LAYERS for name in chosen) and not any(map(_for_layers, kinds)):
        raise bad_value("dtypes", dtypes, "float32 or float64 for layers")
    from fastconv.backends import again, handoff  # Numba is not imported before it is needed

    again.ready()
    several_workers = worker_count(None) > 1
    if several_workers:
        handoff.ready()
    report = Table()
    for kind in kinds:
        image = np.zeros((512, 768), kind)  # as large as a small photograph: its plans are those of larger ones
        small = np.zeros((48, 64), kind)
        for name in chosen:
            start = time.perf_counter()
            for _ in range(2 if several_workers else 1):  # what is shared out at once is written down at the second
                if name in _COMMON:
                    _COMMON[name](image)
                    _COMMON[name](small)
                    _COMMON[name](small)
                elif _for_layers(kind):
                    _LAYERS[name](kind)
            if name in _LAYERS and not _for_layers(kind):
                continue
            report[f"{name}, {kind}"] = time.perf_counter() - start
    return report


def _for_layers(kind: np.dtype) -> bool:
    return kind in (np.float32, np.float64)


def _named(dtype: Any) -> Any:
    if dtype is None:
        raise bad_type("dtypes", dtype, "a dtype, or several")
    return dtype
