"""SciPy's own tests of its filters, run on fastconv's functions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastconv.ndimage as ndi

RUNNER = Path(__file__).with_name("scipy_own_tests.py")


def outcome(*words: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(RUNNER), *words], capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_scipys_own_tests_pass_on_our_functions() -> None:
    found = outcome()
    assert not found["failed"], found["failed"]
    assert found["counts"]["passed"] > 1000, found["counts"]
    assert len(ndi.__all__) == 22
    never = set(ndi.__all__) - set(found["calls"])
    assert not never, f"SciPy's tests never reached {sorted(never)}"


@pytest.mark.parametrize("name", ["median_filter", "maximum_filter1d", "gaussian_filter", "uniform_filter1d"])
def test_a_broken_function_is_noticed(name: str) -> None:
    found = outcome(name, name.removesuffix("_filter").removesuffix("1d"))
    assert found["calls"][name], found
    assert found["failed"], f"{name} gave wrong answers and nothing failed"
