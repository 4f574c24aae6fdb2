"""Every sample script runs as a reader would run it, says what it did, and leaves right-sized pictures with content."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
COINS, CAMERA, RETINA, COFFEE, FRAME = (384, 303), (512, 512), (1411, 1411), (600, 400), (320, 240)
#: script -> picture -> (width, height)
PICTURES = {
    "edges.py": {f"edges_{n}.png": COINS for n in ("sobel", "scharr_x", "laplace_of_gaussian")},
    "blur_and_sharpen.py": {
        f"{n}.png": CAMERA for n in ("blur_gaussian_2", "blur_gaussian_8", "blur_box_31", "sharpened")
    },
    "dilated_kernel.py": {f"dilated_detail_{d}.png": RETINA for d in (1, 2, 4, 8)},
    "colour.py": {"colour_gaussian.png": COFFEE, "colour_motion.png": COFFEE, "colour_half.png": (300, 200)},
    "volume.py": {f"volume_{n}.png": FRAME for n in ("noisy", "plane", "smooth")},
    "compare_with_scipy.py": {f"compare_{n}.png": RETINA for n in ("sobel", "gaussian", "box", "dense7")},
}
SCRIPTS = sorted(p.name for p in SAMPLES.glob("*.py") if p.name != "common.py")


def test_every_script_is_listed() -> None:
    assert sorted(PICTURES) == SCRIPTS
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    for name in SCRIPTS:
        assert f"`{name}`" in text


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_runs(script: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SAMPLES / script), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "plan" in done.stdout.lower()
    assert {p.name for p in folder.iterdir()} == set(PICTURES[script])
    for name, size in PICTURES[script].items():
        with Image.open(folder / name) as picture:
            assert picture.size == size, name
            assert np.asarray(picture).std() > 2, f"{name} is blank"


def test_scripts_are_short_and_the_folder_is_small() -> None:
    for name in SCRIPTS:
        assert len((SAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 40, name
    assert sum(p.stat().st_size for p in SAMPLES.iterdir() if p.is_file()) < 2_000_000


def test_every_picture_names_its_source() -> None:
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    pictures = [p.name for p in SAMPLES.iterdir() if p.suffix in (".png", ".jpg")]
    assert len(pictures) >= 4
    for name in pictures:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{name}`")]
        assert "CC0" in row or "no known copyright restrictions" in row
