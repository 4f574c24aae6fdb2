"""What the tests of the CUDA backend need; this folder is on the path, so that ``ptx`` and ``sass`` can be imported.

The budget of the loops and numba's simulator take a core two minutes: both run beside the other tests, one after the
other, from the session's start.
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
#: fixture -> what is run for it, in a process of its own: Python that prints one line of JSON
CODE = {
    "measured_budget": "import json, budget; print(json.dumps(budget.measured()))",
    "simulated": "import simulated; simulated.main()",
}
SIMULATOR = {"simulated": {"NUMBA_ENABLE_CUDASIM": "1"}}
RUN = """
import json, os, subprocess, sys
for code, more, path in json.loads(sys.argv[1]):
    with open(path + ".part", "w") as out:
        done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **more}, stdout=out)
    if done.returncode == 0:
        os.replace(path + ".part", path)
"""
_running: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}


def _start(names: list[str]) -> None:
    names = [name for name in names if name not in _running]
    if not names:
        return
    folder = Path(tempfile.mkdtemp())
    jobs = [(CODE[name], SIMULATOR.get(name, {}), str(folder / name)) for name in names]
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, json.dumps(jobs)], env={**os.environ, "PYTHONPATH": path}, start_new_session=True
    )
    _running.update({name: (process, folder / name) for name in names})


def pytest_collection_finish(session: pytest.Session) -> None:
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if not session.config.option.collectonly and importlib.util.find_spec("numba_cuda"):
        _start([name for name in CODE if name in used])


def pytest_sessionfinish() -> None:
    for process, found in _running.values():
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
        for path in (found, found.with_name(f"{found.name}.part")):
            path.unlink(missing_ok=True)
    for folder in {found.parent for _, found in _running.values()}:
        folder.rmdir()


def _found(name: str) -> dict[str, Any]:
    _start([name])
    process, path = _running[name]
    assert process.wait(timeout=900) == 0
    assert path.exists(), f"what {name} runs has failed: see its traceback above"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    return found


@pytest.fixture(scope="session")
def measured_budget() -> dict[str, Any]:
    """What the loops cost now: name -> architecture -> figures."""
    return _found("measured_budget")


@pytest.fixture(scope="session")
def simulated() -> dict[str, Any]:
    """What the loops do in numba's simulator: name -> excess of the error, whether dtypes agree, largest value."""
    return _found("simulated")
