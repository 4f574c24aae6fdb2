"""Runs SciPy's own test file with fastconv's filters in scipy.ndimage's place: prints its outcome as JSON.

Usage: python scipy_own_tests.py [BROKEN [PYTEST_K]]: the function BROKEN gives wrong answers, which must be noticed.
"""

from __future__ import annotations

import functools
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from scipy.ndimage import _filters

import fastconv.ndimage as ours

calls: Counter[str] = Counter()


def counted(name: str, broken: bool) -> Any:
    function = getattr(ours, name)

    @functools.wraps(getattr(scipy.ndimage, name))
    def call(*args: Any, **options: Any) -> Any:
        calls[name] += 1
        result = function(*args, **options)
        if broken and isinstance(result, np.ndarray) and result.size:
            result[...] = np.where(result == 0, 1, 0)
        return result

    return call


class Outcome:
    """Counts the results of a pytest run."""

    def __init__(self, broken: str) -> None:
        self.broken = broken
        self.counts: Counter[str] = Counter()
        self.failed: list[str] = []

    def pytest_collection_finish(self, session: Any) -> None:
        """Put ours in place, in the parameters of tests too; SciPy's own functions mark tests while they load."""
        stand_in = {}
        for name in ours.__all__:
            call = counted(name, name == self.broken)
            stand_in[getattr(scipy.ndimage, name)] = stand_in[getattr(_filters, name)] = call
            setattr(scipy.ndimage, name, call)
            setattr(_filters, name, call)
        for item in session.items:
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            for key, value in parameters.items():
                if callable(value) and value in stand_in:
                    parameters[key] = stand_in[value]

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1
            if report.failed:
                self.failed.append(report.nodeid.rpartition("::")[2])


def main(broken: str = "", chosen: str = "") -> None:
    file = Path(scipy.ndimage.__file__).parent / "tests" / "test_filters.py"
    outcome = Outcome(broken)
    options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(file.parent)]
    options += (["-x"] if broken else []) + (["-k", chosen] if chosen else [])
    pytest.main([str(file), *options], plugins=[outcome])
    print(json.dumps({"counts": outcome.counts, "failed": outcome.failed, "calls": calls}))


if __name__ == "__main__":
    main(*sys.argv[1:])
