"""Check and time the CUDA backend on a device; without one it says so and exits 0.

    python bench/gpu.py [--json FILE] [--quick]

First every row is held to SciPy (float64) on a small image; then it is timed by events on the device's own clock, the
fastest of several runs, as a share of what a plain copy of the same image reaches there, beside CuPy, cuCIM and
PyTorch where they are installed; last come sweeps over rows a thread, threads a block, and launch bounds.  The result
goes to bench/gpu_results/, and `python bench/update_readme.py` puts it into README.md.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fastconv as fc
from fastconv.backends.cuda.probe import devices

RESULTS = Path(__file__).with_name("gpu_results")
SIZES = {"1080p": (1080, 1920), "4K": (2160, 3840), "8192": (8192, 8192)}
RANDOM = np.random.default_rng(0)
KERNELS = {n: RANDOM.random((n, n)) - 0.3 for n in (3, 5, 7)}

#: name -> dtype, our call, SciPy's on float64
Row = tuple[str, Callable[..., Any], Callable[[Any, np.ndarray], np.ndarray]]
ROWS: dict[str, Row] = {
    "sobel": ("float32", lambda x, **o: fc.sobel(x, axis=1, **o), lambda nd, x: nd.sobel(x, axis=1)),
    **{
        f"gaussian {s}": (
            "float32",
            lambda x, s=s, **o: fc.gaussian(x, float(s), **o),
            lambda nd, x, s=s: nd.gaussian_filter(x, float(s)),
        )
        for s in (1, 3, 10)
    },
    **{
        f"{n}x{n}": (
            "float32",
            lambda x, n=n, **o: fc.correlate(x, KERNELS[n], method="direct", **o),
            lambda nd, x, n=n: nd.correlate(x, KERNELS[n]),
        )
        for n in KERNELS
    },
    "3x3 dilated by 2": (
        "float32",
        lambda x, **o: fc.correlate(x, KERNELS[3], dilation=2, method="direct", **o),
        lambda nd, x: nd.correlate(x, spread(KERNELS[3], 2)),
    ),
    "3x3 uint8": (
        "uint8",
        lambda x, **o: fc.correlate(x, KERNELS[3] / 4, dtype="same", method="direct", **o),
        lambda nd, x: np.clip(np.rint(nd.correlate(x, KERNELS[3] / 4)), 0, 255),
    ),
}


#: name -> channels in, weight's shape, the function of fastconv.nn, its parameters
CHANNELS: dict[str, tuple[int, tuple[int, ...], Callable[..., Any], dict[str, Any]]] = {
    "depthwise 3x3, 32": (32, (32, 1, 3, 3), fc.nn.depthwise_conv2d, {"padding": 1}),
    "conv2d 3x3, 3 to 8": (3, (8, 3, 3, 3), fc.nn.conv2d, {"padding": 1}),
    "conv2d 3x3, 64 to 64": (64, (64, 64, 3, 3), fc.nn.conv2d, {"padding": 1}),
    "transposed 3x3, 8 to 3, stride 2": (8, (8, 3, 3, 3), fc.nn.conv_transpose2d, {"stride": 2, "padding": 1}),
}


def tensors(name: str, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """x and weight of a row of `CHANNELS`."""
    channels, shape, _, _ = CHANNELS[name]
    random = np.random.default_rng(2)
    x, weight = random.random((1, channels, *size)) - 0.5, random.random(shape) - 0.5
    return x.astype(np.float32), weight.astype(np.float32)


def spread(kernel: np.ndarray, step: int) -> np.ndarray:
    """The kernel with zeros between its taps."""
    wide = np.zeros([(n - 1) * step + 1 for n in kernel.shape])
    wide[::step, ::step] = kernel
    return wide


def image_of(shape: tuple[int, int], dtype: str) -> np.ndarray:
    """A random image."""
    return (np.random.default_rng(1).random(shape) * 200).astype(dtype)


def checked(to_device: Callable[[np.ndarray], Any], to_host: Callable[[Any], np.ndarray]) -> dict[str, float]:
    """Every row against SciPy, or our CPU backend in float64: the worst relative difference, which must be small."""
    scipy = importlib.import_module("scipy.ndimage")
    found = {}
    for name, (dtype, ours, theirs) in ROWS.items():
        for shape in ((301, 410), (256, 512)):
            image = image_of(shape, dtype)
            expected = theirs(scipy, image.astype(np.float64))
            got = to_host(ours(to_device(image))).astype(np.float64)
            error = float(np.abs(got - expected).max() / np.abs(expected).max())
            if error > (1 / 200 if dtype == "uint8" else 1e-5):
                raise SystemExit(f"{name} on {shape} differs from SciPy by {error:.1e}")
            found[name] = max(error, found.get(name, 0.0))
    for name, (_, _, ours, options) in CHANNELS.items():
        x, weight = tensors(name, (13, 40))
        expected = ours(x.astype(np.float64), weight.astype(np.float64), **options)
        got = to_host(ours(to_device(x), to_device(weight), **options))
        found[name] = float(np.abs(got - expected).max() / np.abs(expected).max())
        if found[name] > 1e-5:
            raise SystemExit(f"{name} differs from the CPU's float64 by {found[name]:.1e}")
    return found


def timed(call: Callable[[], Any], repeat: int = 20) -> float:
    """Milliseconds of the fastest run, by events on the default stream."""
    cuda = importlib.import_module("fastconv.loops.cuda_target").cuda
    call()
    times = []
    for _ in range(repeat):
        start, end = cuda.event(), cuda.event()
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(cuda.event_elapsed_time(start, end))
    return min(times)


def peers(name: str, image: np.ndarray) -> dict[str, Callable[[], Any]]:
    """The same filter in other libraries, where they are installed."""
    found: dict[str, Callable[[], Any]] = {}
    known = {f"gaussian {s}": s for s in (1, 3, 10)}
    size = next((n for n in KERNELS if name == f"{n}x{n}"), None)
    if importlib.util.find_spec("cupy"):
        cupy = importlib.import_module("cupy")
        ndimage = importlib.import_module("cupyx.scipy.ndimage")
        there = cupy.asarray(image)
        if name in known:
            found["CuPy"] = lambda: ndimage.gaussian_filter(there, known[name])
        elif name == "sobel":
            found["CuPy"] = lambda: ndimage.sobel(there, axis=1)
        elif size:
            kernel = cupy.asarray(KERNELS[size], np.float32)
            found["CuPy"] = lambda: ndimage.correlate(there, kernel)
        if name in known and importlib.util.find_spec("cucim"):
            cucim = importlib.import_module("cucim.skimage.filters")
            found["cuCIM"] = lambda: cucim.gaussian(there, known[name], preserve_range=True)
    if size and importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")
        if torch.cuda.is_available():
            tensor = torch.as_tensor(image, device="cuda")[None, None]
            weight = torch.as_tensor(KERNELS[size].astype(np.float32), device="cuda")[None, None]
            found["PyTorch"] = lambda: torch.nn.functional.conv2d(tensor, weight, padding=size // 2)
    return found


def rows(quick: bool) -> list[dict[str, Any]]:
    """Each filter on each size."""
    cuda = importlib.import_module("fastconv.loops.cuda_target").cuda
    found = []
    for size, shape in list(SIZES.items())[: 1 if quick else None]:
        for name, (dtype, ours, _) in ROWS.items():
            image = image_of(shape, dtype)
            there, out = cuda.to_device(image), cuda.device_array(shape, dtype)
            copy = timed(lambda out=out, there=there: out.copy_to_device(there))
            time = timed(lambda ours=ours, there=there, out=out: ours(there, out=out))
            row = {"filter": name, "size": size, "ms": time, "copy_ms": copy, "of_copy": copy / time}
            row["peers"] = {peer: timed(call) for peer, call in peers(name, image).items()}
            found.append(row)
            print(
                f"{size:6} {name:34} {time:8.4f} ms  {100 * copy / time:5.1f} % of a copy  {row['peers']}", flush=True
            )
    return found


def channel_rows() -> list[dict[str, Any]]:
    """Each convolution over channels on a frame of 540 x 960."""
    cuda = importlib.import_module("fastconv.loops.cuda_target").cuda
    found = []
    for name, (_, _, ours, options) in CHANNELS.items():
        x, weight = (cuda.to_device(array) for array in tensors(name, (540, 960)))
        out = ours(x, weight, **options)
        like = cuda.device_array((x.size + out.size) // 2, np.float32)
        other = cuda.device_array_like(like)
        copy = timed(lambda like=like, other=other: other.copy_to_device(like))
        time = timed(
            lambda ours=ours, x=x, weight=weight, out=out, options=options: ours(x, weight, out=out, **options)
        )
        row: dict[str, Any] = {"filter": name, "size": "540x960", "ms": time, "copy_ms": copy, "of_copy": copy / time}
        row["peers"] = {peer: timed(call) for peer, call in channel_peers(name).items()}
        found.append(row)
        print(f"540x960 {name:34} {time:8.4f} ms  {100 * copy / time:5.1f} % of a copy  {row['peers']}", flush=True)
    return found


def channel_peers(name: str) -> dict[str, Callable[[], Any]]:
    """The same convolution in PyTorch, where it is installed."""
    if not importlib.util.find_spec("torch"):
        return {}
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return {}
    x, weight = (torch.as_tensor(array, device="cuda") for array in tensors(name, (540, 960)))
    _, shape, ours, options = CHANNELS[name]
    function = torch.nn.functional.conv_transpose2d if ours is fc.nn.conv_transpose2d else torch.nn.functional.conv2d
    groups = shape[0] if ours is fc.nn.depthwise_conv2d else 1
    return {"PyTorch": lambda: function(x, weight, groups=groups, **options)}


#: filters, rows a thread, warps a block, and blocks that a multiprocessor shall hold (0: as the compiler likes)
SWEPT, EACH, HIGH, BLOCKS = ("sobel", "gaussian 1", "3x3", "7x7"), (64, 32, 16, 8, 4), (1, 2, 4, 8), (0, 2, 3, 4, 6, 8)


def sweeps(there: Any, out: Any, timed: Callable[[Callable[[], Any]], float] = timed) -> list[dict[str, Any]]:
    """The march with other rows a thread and threads a block, then within launch bounds of the usual block."""
    target = importlib.import_module("fastconv.loops.cuda_target")
    backend = importlib.import_module("fastconv.backends.cuda")
    march = importlib.import_module("fastconv.backends.cuda.march")
    kept = march.ROWS, march.BLOCK
    found = []

    def one(name: str, **facts: Any) -> None:
        backend.clear_programs()
        found.append({"filter": name, **facts, "ms": timed(lambda: ROWS[name][1](there, out=out))})

    try:
        for name in SWEPT:
            for each, high in itertools.product(EACH, HIGH):
                march.ROWS, march.BLOCK = (each,), (32, high)
                one(name, rows=each, block=[32, high])
            march.ROWS, march.BLOCK = kept
            for blocks in BLOCKS:
                target.launch_bounds = (kept[1][0] * kept[1][1], blocks) if blocks else None
                one(name, block=list(kept[1]), blocks=blocks)
            target.launch_bounds = None
    finally:
        march.ROWS, march.BLOCK = kept
        target.launch_bounds = None
        backend.clear_programs()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the result goes")
    parser.add_argument("--quick", action="store_true", help="1080p only, no sweeps")
    options = parser.parse_args()
    if devices() == 0 or importlib.util.find_spec("numba_cuda") is None:
        print("not run: no NVIDIA driver with a device, or numba-cuda is not installed; nothing was measured")
        sys.exit(0)
    cuda = importlib.import_module("fastconv.loops.cuda_target").cuda
    errors = checked(cuda.to_device, lambda array: array.copy_to_host())
    name = cuda.get_current_device().name
    name = name.decode() if isinstance(name, bytes) else str(name)
    result: dict[str, Any] = {
        "device": name,
        "errors": errors,
        "rows": [*rows(options.quick), *channel_rows()],
        "sweeps": [],
    }
    if not options.quick:
        image = image_of(SIZES["4K"], "float32")
        result["sweeps"] = sweeps(cuda.to_device(image), cuda.device_array(image.shape, image.dtype))
    path = options.json or RESULTS / f"{'-'.join(name.lower().split())}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}; python bench/update_readme.py shows it in README.md")


if __name__ == "__main__":
    main()
