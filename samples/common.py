"""What the scripts share: read a sample picture, choose the output folder, save a picture and say so."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent


def load(name: str) -> np.ndarray:
    """A sample picture as an array: (rows, columns) or (rows, columns, 3), uint8."""
    with Image.open(HERE / name) as picture:
        return np.asarray(picture)


def out_folder() -> Path:
    """The folder named on the command line, samples/out without one; it is made where it is missing."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "out"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save(path: Path, values: np.ndarray) -> None:
    """Store values as an 8-bit picture: rounded, and clipped to 0..255."""
    Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).save(path)
    print(f"  wrote {path.name}  {values.shape[1]} x {values.shape[0]}")
