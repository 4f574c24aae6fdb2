"""What the tests of the CUDA backend need; this folder is on the path, so that ``ptx`` and ``sass`` can be imported.

The budget of the loops takes a core two minutes: it is measured beside the other tests, from the session's start.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
_measuring: list[tuple[subprocess.Popen[bytes], Path]] = []


def _start() -> None:
    if not _measuring:
        handle, name = tempfile.mkstemp(suffix=".json")
        os.close(handle)
        code = f"import json, pathlib, budget; pathlib.Path({name!r}).write_text(json.dumps(budget.measured()))"
        path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
        process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
        _measuring.append((process, Path(name)))


def pytest_collection_finish(session: pytest.Session) -> None:
    wanted = any("measured_budget" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly and importlib.util.find_spec("numba_cuda"):
        _start()


def pytest_sessionfinish() -> None:
    for process, found in _measuring:
        process.kill()
        process.wait()
        found.unlink()


@pytest.fixture(scope="session")
def measured_budget() -> dict[str, Any]:
    """What the loops cost now: name -> architecture -> figures."""
    _start()
    process, found = _measuring[0]
    assert process.wait(timeout=600) == 0
    table: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return table
