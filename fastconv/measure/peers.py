"""The same work asked of other libraries, and of ourselves: each function turns a row into a call without arguments.

A maker returns None for a row that its library does not offer; whatever can be prepared (kernels, layouts, output
arrays) is prepared before the call, so that timing the call times the filter.  Libraries are imported on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from fastconv import kernels

from .rows import MODE, Row
from .turns import in_turn

__all__ = ["PEERS", "Call", "installed", "ours", "peer_threads", "peer_version", "scale_of"]

Call = Callable[[], np.ndarray]
Maker = Callable[[Row, np.ndarray], "Call | None"]


def ours(row: Row, image: np.ndarray, workers: int | None = 1) -> Call:
    """fastconv's own call for the row, into an output array made beforehand."""
    from fastconv import filters

    function = getattr(filters, row.operator)
    options: dict[str, Any] = dict(row.arguments)
    leading = [options.pop(name) for name in ("kernel", "taps", "sigma", "size") if name in options]
    options |= {"mode": MODE, "dtype": row.out, "workers": workers, "out": np.empty(image.shape, row.out)}
    if row.layout == "colour":
        options["channel_axis"] = -1
    elif row.layout == "volume":
        options["axes"] = (0, 1, 2)
    return lambda: function(image, *leading, **options)


def _stuffed(row: Row) -> np.ndarray:
    """The kernel with its dilation spelled as zeros: the way of libraries that have no dilation."""
    kernel, step = row.kernel, row.arguments.get("dilation", 1)
    full = np.zeros([(n - 1) * step + 1 for n in kernel.shape])
    full[tuple(slice(None, None, step) for _ in kernel.shape)] = kernel
    return full


def _scipy(row: Row, image: np.ndarray) -> Call | None:
    from scipy import ndimage as ndi

    out = np.empty(image.shape, row.out)
    arguments, colour = row.arguments, row.layout == "colour"

    def lines(dtype: str, *passes: tuple[Any, int]) -> Call:
        between = np.empty(image.shape, dtype)
        (first, one), (second, other) = passes

        def both() -> np.ndarray:
            ndi.correlate1d(image, first, one, mode=MODE, output=between)
            ndi.correlate1d(between, second, other, mode=MODE, output=out)
            return out

        return both

    if row.operator == "gaussian":
        sigma = np.multiply((1.0, 1.0, 0.0) if colour else 1.0, arguments["sigma"])
        return lambda: ndi.gaussian_filter(image, sigma, mode=MODE, output=out)
    if row.operator == "box":
        size = (arguments["size"],) * 2 + (1,) if colour else arguments["size"]
        return lambda: ndi.uniform_filter(image, size, mode=MODE, output=out)
    if row.operator == "sobel" and not colour:
        return lambda: ndi.sobel(image, arguments["axis"], mode=MODE, output=out)
    if row.operator == "laplace":
        return lambda: ndi.laplace(image, mode=MODE, output=out)
    if row.operator in ("sobel", "scharr"):  # SciPy has no scharr, and its sobel smooths across colours
        axis, smooth = arguments["axis"], {"sobel": [1, 2, 1], "scharr": [3, 10, 3]}[row.operator]
        return lines(row.out, ([-1, 0, 1], axis), (smooth, 1 - axis))
    if row.operator == "correlate_separable":
        down, along = arguments["taps"]
        return lines("float32" if np.dtype(row.out).itemsize < 8 else "float64", (down, 0), (along, 1))
    kernel = _stuffed(row)[..., None] if colour else _stuffed(row)
    return lambda: ndi.correlate(image, kernel, mode=MODE, output=out)


def _opencv(row: Row, image: np.ndarray) -> Call | None:
    import cv2

    if row.layout == "volume":
        return None
    depth = {
        "float32": cv2.CV_32F,
        "float64": cv2.CV_64F,
        "int16": cv2.CV_16S,
        "uint8": cv2.CV_8U,
        "uint16": cv2.CV_16U,
    }
    out, ddepth, border = np.empty(image.shape, row.out), depth[row.out], cv2.BORDER_REFLECT_101
    sums: Any = np.float64 if row.out == "float64" else np.float32
    window: Any = _stuffed(row).astype(sums)

    def lines(down: np.ndarray, along: np.ndarray) -> Call:
        y, x = np.asarray(down, sums), np.asarray(along, sums)
        return lambda: cv2.sepFilter2D(image, ddepth, x, y, dst=out, borderType=border)

    if row.operator == "gaussian":
        sigma, size = row.arguments["sigma"], len(window)
        if row.dtype != row.out:  # GaussianBlur keeps the image's dtype
            taps = kernels.gaussian(sigma, ndim=1)
            return lines(taps, taps)
        return lambda: cv2.GaussianBlur(image, (size, size), sigma, dst=out, borderType=border)
    if row.operator == "box":
        size = row.arguments["size"]
        return lambda: cv2.blur(image, (size, size), dst=out, borderType=border)
    if row.operator == "laplace":
        return lambda: cv2.Laplacian(image, ddepth, dst=out, ksize=1, borderType=border)
    if row.operator in ("sobel", "scharr"):
        dx = row.arguments["axis"]
        function: Any = {"sobel": cv2.Sobel, "scharr": cv2.Scharr}[row.operator]
        return lambda: function(image, ddepth, dx, 1 - dx, dst=out, borderType=border)
    dense: Call = lambda: cv2.filter2D(image, ddepth, window, dst=out, borderType=border)  # noqa: E731
    if row.operator == "correlate_separable":  # two passes of few taps may take longer than one of their product
        return _quicker(dense, lines(*row.arguments["taps"]))
    return dense


def _quicker(*calls: Call) -> Call:
    """The call that takes least: a peer that has two ways is asked for the better one."""
    for call in calls:
        call()
    times = in_turn(calls, 3)
    return calls[min(range(len(calls)), key=lambda i: min(times[i]))]


def _skimage(row: Row, image: np.ndarray) -> Call | None:
    """Float images only: scikit-image rescales integer ones, which is other work."""
    from skimage import filters

    if row.dtype != row.out or np.dtype(row.dtype).kind != "f":
        return None
    if row.layout == "colour" and row.operator != "gaussian":  # its derivatives smooth across colours
        return None
    if row.operator in ("sobel", "scharr"):
        function = getattr(filters, row.operator)
        return lambda: function(image, axis=row.arguments["axis"], mode=MODE)
    if row.operator == "gaussian":
        channel_axis = -1 if row.layout == "colour" else None
        out = np.empty(image.shape, row.out)
        sigma = row.arguments["sigma"]
        return lambda: filters.gaussian(image, sigma, mode=MODE, channel_axis=channel_axis, out=out)
    return None


def _torch(row: Row, image: np.ndarray) -> Call | None:
    """Dense kernels of float32 up to 15x15 (above, a call takes most of a minute), padding included in the call."""
    import torch
    from torch.nn.functional import conv2d, pad

    if row.operator != "correlate" or {row.dtype, row.out} != {"float32"} or len(row.kernel) > 15:
        return None
    step = row.arguments.get("dilation", 1)
    weight = torch.from_numpy(row.kernel.astype(np.float32))[None, None]
    source = torch.from_numpy(image)[None, None]
    margin = [step * (len(row.kernel) // 2)] * 4

    def call() -> np.ndarray:
        with torch.inference_mode():
            return conv2d(pad(source, margin, mode="reflect"), weight, dilation=step)[0, 0].numpy()

    return call


#: peer -> (module, distribution names, maker)
_TABLE: dict[str, tuple[str, tuple[str, ...], Maker]] = {
    "scipy": ("scipy", ("scipy",), _scipy),
    "opencv": ("cv2", ("opencv-python-headless", "opencv-python", "opencv-contrib-python"), _opencv),
    "skimage": ("skimage", ("scikit-image",), _skimage),
    "torch": ("torch", ("torch",), _torch),
}
PEERS: dict[str, Maker] = {name: maker for name, (_, _, maker) in _TABLE.items()}


def installed() -> tuple[str, ...]:
    """The peers that can be imported here."""
    return tuple(name for name, (module, _, _) in _TABLE.items() if find_spec(module) is not None)


def peer_version(name: str) -> str:
    """The version of an installed peer, "" where it does not say."""
    for distribution in _TABLE[name][1]:
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return ""


def scale_of(row: Row, peer: str) -> float:
    """What a peer's answer is multiplied by before it is compared: scikit-image divides its derivatives by sum|w|/2."""
    if peer == "skimage" and row.operator in ("sobel", "scharr"):
        return float(np.abs(row.kernel).sum()) / 2
    return 1.0


@contextmanager
def peer_threads(names: tuple[str, ...], threads: int) -> Iterator[None]:
    """Give the named peers this many threads, and their own number back afterwards (SciPy and scikit-image use one)."""
    restore: list[Callable[[], None]] = []
    if "opencv" in names:
        import cv2

        before = cv2.getNumThreads()
        cv2.setNumThreads(threads)
        restore.append(lambda: cv2.setNumThreads(before))
    if "torch" in names:
        import torch

        torch_before = torch.get_num_threads()
        torch.set_num_threads(threads)
        restore.append(lambda: torch.set_num_threads(torch_before))
    try:
        yield
    finally:
        for undo in restore:
            undo()
