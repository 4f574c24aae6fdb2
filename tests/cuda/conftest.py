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
import time
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
#: the environment variable that names the folder shared by the processes of one run (`tests/conftest.py` sets it)
FOLDER = "FASTCONV_TEST_FOLDER"
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
#: fixture -> the process (None: started by another worker of pytest-xdist) and the file that it leaves
_running: dict[str, tuple[subprocess.Popen[bytes] | None, Path]] = {}
PATIENCE = 900


def _start(names: list[str]) -> None:
    names = [name for name in names if name not in _running]
    if not names:
        return
    folder = Path(os.environ[FOLDER])
    for name in names:
        try:
            (folder / f"{name}.begun").touch(exist_ok=False)
        except FileExistsError:
            _running[name] = None, folder / name
    names = [name for name in names if name not in _running]
    if not names:
        return
    jobs = [(CODE[name], SIMULATOR.get(name, {}), str(folder / name)) for name in names]
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    # a worker's variables would have pytest-xdist believe that these are workers too
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, json.dumps(jobs)], env={**env, "PYTHONPATH": path}, start_new_session=True
    )
    _running.update({name: (process, folder / name) for name in names})


def pytest_collection_finish(session: pytest.Session) -> None:
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if not session.config.option.collectonly and importlib.util.find_spec("numba_cuda"):
        _start([name for name in CODE if name in used])


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    workers = hasattr(session.config, "workerinput")
    for process, _ in _running.values():
        if process is not None and process.poll() is None:
            if workers and exitstatus in (0, 1):  # others wait for it
                process.wait(timeout=PATIENCE)
            else:
                os.killpg(process.pid, 9)
                process.wait()


def _found(name: str) -> dict[str, Any]:
    _start([name])
    process, path = _running[name]
    if process is not None:
        assert process.wait(timeout=PATIENCE) == 0
    begun = time.monotonic()
    while process is None and not path.exists() and time.monotonic() - begun < PATIENCE:
        time.sleep(0.2)
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
