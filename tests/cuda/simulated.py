"""Run under NUMBA_ENABLE_CUDASIM=1: the CUDA loops in numba's simulator beside the CPU backend, as lines of JSON."""

from __future__ import annotations

import json

import numpy as np

import fastconv as fc

RANDOM = np.random.default_rng(0)
found: dict[str, list[object]] = {}


def compare(name: str, operator, image: np.ndarray, *arguments, **options) -> None:
    """The greatest excess of the difference over what is allowed, and whether dtype and shape agree."""
    expected = operator(image, *arguments, **options)
    got = np.asarray(operator(image, *arguments, backend="cuda", **options))
    wide = expected.astype(np.float64)
    allowed = 4e-6 * max(1.0, float(np.abs(wide).max()))
    step = 2.0**-10 * np.abs(wide) if expected.dtype == np.float16 else 0.0
    excess = float((np.abs(got.astype(np.float64) - wide) - allowed - step).max())
    found[name] = [excess, got.dtype == expected.dtype and got.shape == expected.shape, float(np.abs(wide).max())]


def window_and_lines() -> None:
    for shape in ((13, 136), (5, 7)):
        for dtype in ("float32", "uint8", "float16", "float64", "int16", "bool"):
            image = (RANDOM.random(shape) * 200).astype(dtype)
            for mode in ("reflect", "constant", "wrap") if dtype == "float32" else ("mirror",):
                for size in ((3, 3), (4, 2), (1, 5)):
                    kernel, taps = RANDOM.random(size) - 0.4, [RANDOM.random(n) - 0.4 for n in size]
                    options = {"mode": mode, "cval": 2.5}
                    name = f"{shape} {dtype} {mode} {size}"
                    compare(f"direct {name}", fc.correlate, image, kernel, method="direct", **options)
                    compare(f"separable {name}", fc.correlate_separable, image, taps, method="separable", **options)


def the_rest() -> None:
    image = RANDOM.random((11, 140), dtype=np.float32) * 50
    kernel = RANDOM.random((3, 3)) - 0.1
    for options in (
        {"dilation": 2}, {"dilation": (3, 1)}, {"origin": (1, -1)}, {"dtype": "uint8"}, {"stride": 2},
        {"stride": (1, 3), "dilation": (2, 1)}, {"dilation": (1, 5), "mode": "constant", "cval": 1.0},
    ):  # fmt: skip
        compare(f"{options}", fc.correlate, image, kernel, method="direct", **options)
    compare("nine", fc.correlate, image, RANDOM.random((9, 9)), method="direct")
    compare("tile", fc.gaussian, image, (0.5, 2.0))
    compare("tile, constant", fc.gaussian, image, (2.0, 1.0), mode="constant", cval=9.0)
    for axis in (0, 1):
        compare(f"long {axis}", fc.gaussian, image, ((10.0, 0.0), (0.0, 10.0))[axis], mode="constant", cval=9.0)
    compare("box", fc.box, image, (5, 3))
    compare("channels", fc.gaussian, image[:7, :99].reshape(7, 33, 3), 1.0, channel_axis=-1)
    volume = RANDOM.random((5, 6, 35), dtype=np.float32)
    for axes in ((0, 1, 2), (0, 1), (1, 2)):
        compare(f"volume {axes}", fc.gaussian, volume, 1.0, axes=axes)
    compare("one dimension", fc.gaussian, volume[0, 0], 1.0)
    compare("one axis", fc.correlate1d, image, [1, 2, -3.0], axis=0)
    compare("magnitude", fc.sobel, image)
    compare("two terms", fc.gaussian_laplace, image, 1.0)


def channels() -> None:
    for dtype in ("float32", "float16", "float64"):
        x = (RANDOM.random((2, 4, 7, 35)) - 0.4).astype(dtype)
        weight, deep = ((RANDOM.random(shape) - 0.4).astype(dtype) for shape in ((6, 4, 3, 2), (4, 1, 3, 3)))
        bias = RANDOM.random(6).astype(dtype)
        for options in ({"padding": 1}, {"stride": (2, 3)}, {"padding": "same", "padding_mode": "reflect"}):
            compare(f"conv2d {dtype} {options}", fc.nn.conv2d, x, weight, bias, **options)
        compare(f"depthwise {dtype}", fc.nn.depthwise_conv2d, x, deep, padding=1)
        back = weight[:4, :3]
        for options in ({"stride": 2, "output_padding": 1}, {"stride": (1, 3), "dilation": (2, 1), "padding": 1}):
            compare(f"transposed {dtype} {options}", fc.nn.conv_transpose2d, x, back, bias[:3], **options)
        options = {"stride": 2, "padding": 1, "padding_mode": "mirror"}
        compare(f"adjoint {dtype} {options}", fc.nn.conv_transpose2d, x[:1, :, :, :9], back, bias[:3], **options)
    whole, filters = RANDOM.integers(-99, 99, (1, 4, 5, 33)), RANDOM.integers(0, 99, (2, 2, 3, 3)).astype(np.int16)
    compare("conv2d int64", fc.nn.conv2d, whole, filters, np.array([1, 2]), groups=2, padding=1)
    compare(
        "many channels", fc.nn.conv2d, RANDOM.random((16, 5, 9), np.float32), RANDOM.random((33, 16, 2, 2), np.float32)
    )
    compare("pointwise", fc.nn.pointwise, x, RANDOM.random((3, 4)), RANDOM.random(3))


def device_arrays() -> None:
    from numba import cuda

    image = RANDOM.random((13, 17), dtype=np.float32)
    expected = fc.gaussian(image, 1.0)
    device = cuda.to_device(image)
    result = fc.gaussian(device, 1.0)
    out = cuda.device_array((13, 17), np.float32)
    same = fc.gaussian(device, 1.0, out=out) is out
    refused = []
    host = np.zeros((13, 17), np.float32)
    for call in (
        lambda: fc.gaussian(device, 1.0, out=host),
        lambda: fc.gaussian(image, 1.0, out=device),
        lambda: fc.correlate(image, device),
        lambda: fc.gaussian(device, 1.0, backend="cpu"),
    ):
        try:
            call()
        except TypeError:
            refused.append(True)
    fc.gaussian(device, 1.0, out=device)  # in place
    parts = [result, out, device, fc.gaussian(cuda.to_device(np.asfortranarray(image)), 1.0)]
    errors = [float(np.abs(part.copy_to_host() - expected).max()) for part in parts]
    found["device arrays"] = [max(errors) - 4e-6, same and len(refused) == 4 and type(result) is type(device), 1.0]


def main() -> None:
    """Compare everything; print what was found."""
    window_and_lines()
    the_rest()
    channels()
    device_arrays()
    print(json.dumps(found))
