"""The scripts of bench/ that are about GPUs: what they do without one, and that their own check of answers works."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")

from emulated import EmulatedArray, device
from loops import LOOPS

from fastconv.backends.cuda import probe

BENCH = Path(__file__).resolve().parents[2] / "bench"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCH / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_device_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    gpu = script("gpu")
    monkeypatch.setattr(gpu, "devices", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    with pytest.raises(SystemExit) as end:
        gpu.main()
    assert end.value.code == 0
    assert "not run" in capsys.readouterr().out


@pytest.mark.skipif(probe.devices() > 0, reason="there is a device")
def test_the_command_itself() -> None:
    done = subprocess.run([sys.executable, str(BENCH / "gpu.py")], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "not run" in done.stdout


def test_answers_are_checked_before_anything_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = script("gpu")
    monkeypatch.setattr(gpu, "ROWS", {name: gpu.ROWS[name] for name in ("sobel", "3x3 dilated by 2", "3x3 uint8")})
    with device() as there:
        errors = gpu.checked(there.array, lambda array: array.host)
        assert set(errors) == {*gpu.ROWS, *gpu.CHANNELS}
        with pytest.raises(SystemExit, match="differs from SciPy"):
            gpu.checked(there.array, lambda array: array.host * 1.1)
        assert isinstance(there.array(np.zeros(3)), EmulatedArray)


def test_the_static_table_has_every_loop() -> None:
    lines = script("gpu_static").lines(script("gpu_static").budget.committed())
    assert len(lines) == 2 + len(LOOPS)
    row = next(line for line in lines if line.startswith("| direct 3x3 |"))
    assert "<= 255 Gpx/s (memory)" in row
