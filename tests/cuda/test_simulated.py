"""The CUDA loops under numba's simulator, against the CPU backend: every kind of pass, dtypes, borders, arrays."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")


def test_simulated_loops_agree_with_the_cpu(simulated: dict[str, Any]) -> None:
    assert len(simulated) > 100
    wrong = {name: row for name, row in simulated.items() if row[0] > 0 or not row[1] or not row[2] > 0}
    assert not wrong
