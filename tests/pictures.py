"""What the tests of image files and of the command line share: photographs, noise, and how results are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastconv import files
from fastconv.cli import main
from fastconv.files import Picture

skimage = pytest.importorskip("skimage")
DATA = Path(skimage.__file__).parent / "data"
CAMERA, COINS, ASTRONAUT = (DATA / f"{name}.png" for name in ("camera", "coins", "astronaut"))
RNG = np.random.default_rng(5)


def pixels(path: Path) -> np.ndarray:
    return files.read(path).pixels


def rounded(values: np.ndarray, dtype: str = "uint8") -> np.ndarray:
    info = np.iinfo(dtype)
    return np.clip(np.rint(values), info.min, info.max).astype(dtype)


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal but for values that lie on the edge between two integers (for 16 bits, float32 sums are not far finer)."""
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    apart = np.abs(ours.astype(float) - theirs.astype(float))
    assert apart.max() <= 1
    assert np.mean(apart > 0) < (1e-3 if ours.dtype == np.uint8 else 0.05)


def errors(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail with status 2 and one line; returns the line."""
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fastconv: error: ")
    assert err.count("\n") == 1
    return err


def small(path: Path, *shape: int, dtype: str = "uint8") -> np.ndarray:
    values = RNG.integers(0, np.iinfo(dtype).max, shape or (11, 14), dtype=dtype, endpoint=True)
    files.write(
        path, Picture(values, "YXS" if len(shape) == 3 else "YX", alpha=len(shape) == 3 and shape[-1] in (2, 4))
    )
    return values


def noise(*shape: int, dtype: str = "uint8") -> np.ndarray:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return (RNG.random(shape) * 1000 - 500).astype(kind)
    info = np.iinfo(kind)
    return RNG.integers(info.min, info.max, shape, dtype=kind, endpoint=True)


H, W = 13, 17


def rgb() -> Image.Image:
    return Image.fromarray(noise(H, W, 3))
