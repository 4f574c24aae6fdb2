"""The scripts of bench/ that are about GPUs: what they do without one, and that their own check of answers works."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")

from emulated import EmulatedArray, device
from loops import LOOPS

from fastconv.backends.cuda import march, probe
from fastconv.loops import cuda_target

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


def test_sweeps_try_what_they_say_and_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = script("gpu")
    for name, few in (("SWEPT", ("sobel",)), ("EACH", (8,)), ("HIGH", (1, 2)), ("BLOCKS", (0, 4))):
        monkeypatch.setattr(gpu, name, few)
    tried = []

    def timed(call: Callable[[], object]) -> float:
        call()
        tried.append((there.last.threads, cuda_target.launch_bounds))
        return 1.0

    with device() as there:
        image = there.array(np.zeros((20, 40), np.float32))
        found = gpu.sweeps(image, there.empty((20, 40), np.float32), timed)
    assert tried == [((32, 1, 1), None), ((32, 2, 1), None), ((32, 4, 1), None), ((32, 4, 1), (128, 4))]
    assert [row.get("blocks") for row in found] == [None, None, 0, 4]
    assert cuda_target.launch_bounds is None
    assert march.BLOCK == (32, 4)


def test_launch_bounds_reach_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def jit(*signature: object, **options: object) -> Callable[[object], object]:
        asked.append(options)
        return lambda function: (function, len(asked))

    monkeypatch.setattr(cuda_target, "cuda", SimpleNamespace(jit=jit))
    kernel = cuda_target.Kernel(script, "signature", {})
    first = kernel.compiled
    monkeypatch.setattr(cuda_target, "launch_bounds", (128, 4))
    assert kernel.compiled is kernel.compiled is not first
    assert asked == [{}, {"launch_bounds": (128, 4)}]


def test_the_static_table_has_every_loop() -> None:
    lines = script("gpu_static").lines(script("gpu_static").budget.committed())
    assert len(lines) == 2 + len(LOOPS)
    row = next(line for line in lines if line.startswith("| direct 3x3 |"))
    assert "<= 255 Gpx/s (memory)" in row
