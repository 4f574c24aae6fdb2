"""The CUDA loops under numba's simulator, against the CPU backend: every kind of pass, dtypes, borders, arrays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")

SCRIPT = Path(__file__).with_name("cuda_simulated.py")


def test_simulated_loops_agree_with_the_cpu() -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > 100
    wrong = {name: row for name, row in found.items() if row[0] > 0 or not row[1] or not row[2] > 0}
    assert not wrong
