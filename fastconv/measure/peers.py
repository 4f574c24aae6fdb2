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

from .rows import MODE, Row

__all__ = ["PEERS", "Call", "installed", "ours", "peer_threads", "peer_version", "scale_of"]

Call = Callable[[], np.ndarray]
Maker = Callable[[Row, np.ndarray], "Call | None"]


def ours(row: Row, image: np.ndarray, workers: int | None = 1) -> Call:
    """fastconv's own call for the row, into an output array made beforehand."""
    from fastconv import filters

    function = getattr(filters, row.operator)
    options: dict[str, Any] = dict(row.arguments)
    leading = [options.pop(name) for name in ("kernel", "sigma", "size") if name in options]
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
    arguments = row.arguments
    spatial = (1.0, 1.0, 0.0) if row.layout == "colour" else 1.0
    if row.operator == "gaussian":
        sigma = np.multiply(spatial, arguments["sigma"])
        return lambda: ndi.gaussian_filter(image, sigma, mode=MODE, output=out)
    if row.operator == "box":
        return lambda: ndi.uniform_filter(image, arguments["size"], mode=MODE, output=out)
    if row.operator == "sobel":
        return lambda: ndi.sobel(image, arguments["axis"], mode=MODE, output=out)
    if row.operator == "laplace":
        return lambda: ndi.laplace(image, mode=MODE, output=out)
    if row.operator == "scharr":  # not a function of SciPy: its own two passes, as its sobel is written
        axis, between = arguments["axis"], np.empty(image.shape, row.out)

        def scharr() -> np.ndarray:
            ndi.correlate1d(image, [-1, 0, 1], axis, mode=MODE, output=between)
            ndi.correlate1d(between, [3, 10, 3], 1 - axis, mode=MODE, output=out)
            return out

        return scharr
    kernel = _stuffed(row)
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
    if row.operator == "gaussian":
        sigma = row.arguments["sigma"]
        size = len(row.kernel)
        return lambda: cv2.GaussianBlur(image, (size, size), sigma, dst=out, borderType=border)
    if row.operator == "box":
        size = row.arguments["size"]
        return lambda: cv2.blur(image, (size, size), dst=out, borderType=border)
    if row.operator == "sobel":
        return lambda: cv2.Sobel(image, ddepth, 1, 0, dst=out, borderType=border)
    if row.operator == "scharr":
        return lambda: cv2.Scharr(image, ddepth, 1, 0, dst=out, borderType=border)
    if row.operator == "laplace":
        return lambda: cv2.Laplacian(image, ddepth, dst=out, ksize=1, borderType=border)
    kernel = _stuffed(row).astype(np.float32)
    return lambda: cv2.filter2D(image, ddepth, kernel, dst=out, borderType=border)


def _skimage(row: Row, image: np.ndarray) -> Call | None:
    """Float images only: scikit-image rescales integer ones, which is other work."""
    from skimage import filters

    if row.dtype != row.out or np.dtype(row.dtype).kind != "f":
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

    if row.operator != "correlate" or row.out != "float32" or len(row.kernel) > 15:
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
