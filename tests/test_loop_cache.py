"""The cache of compiled loops as processes meet it: warm, cold together, forked, unwritable, and after an edit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastconv.core
from fastconv.loops import cache, jit

HAZARDS = Path(__file__).parent / "hazards"
PACKAGE = Path(fastconv.core.__file__).parents[1]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test starts cold, in a home of its own."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _start(name: str, *flags: str, **environment: str | None) -> subprocess.Popen[str]:
    variables = {**os.environ, **environment}
    return subprocess.Popen(
        [sys.executable, *(flags or ("-W", "error")), str(HAZARDS / "small_loops.py"), name],
        env={key: value for key, value in variables.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _result(process: subprocess.Popen[str]) -> dict[str, Any]:
    try:
        out, err = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert not err
    return json.loads(out)


def _process(name: str, *flags: str, **environment: str | None) -> dict[str, Any]:
    return _result(_start(name, *flags, **environment))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_second_process_compiles_nothing(own_cache: Path) -> None:
    cold = _process("plain")
    np.testing.assert_allclose(cold["numbers"], cold["expected"])
    assert (cold["hits"], cold["misses"], cold["specialisations"]) == (0, 9, 9)
    files = _files(own_cache)
    assert len(files) == 9
    assert all(len(file.name) < 64 and file.suffix == ".loop" for file in files)
    warm = _process("plain")
    assert warm["numbers"] == cold["numbers"]
    assert (warm["hits"], warm["misses"]) == (9, 0)
    assert _files(own_cache) == files


def test_a_warm_loop_fills_no_compile_time_tables() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(HAZARDS)!r}); import small_loops; small_loops.one();"
        "print('numba.np.arraymath' in sys.modules, small_loops.jit.stats()['hits']);"
        "print(small_loops.numbers() == small_loops.numbers())"
    )
    lines = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        lines.append(done.stdout.splitlines())
    assert lines[0][0] == "True 0"
    assert lines[1][0] == "False 1"
    assert lines[0][1] == lines[1][1] == "True"  # and it can still compile afterwards


def test_cold_processes_started_together(own_cache: Path) -> None:
    for round_ in range(3):
        shutil.rmtree(own_cache, ignore_errors=True)
        together = [_start("few", FASTCONV_CACHE_DIR=str(own_cache)) for _ in range(5)]
        for found in [_result(process) for process in together]:
            np.testing.assert_allclose(found["numbers"], found["expected"], err_msg=f"round {round_}")
        assert all(file.suffix == ".loop" for file in _files(own_cache))
        warm = _process("few")
        np.testing.assert_allclose(warm["numbers"], warm["expected"])
        assert (warm["hits"], warm["misses"]) == (3, 0)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")  # stops the superuser too
    found = _process("warned", FASTCONV_CACHE_DIR=str(blocked / "cache"))
    np.testing.assert_allclose(found["numbers"], found["expected"])
    assert found["misses"] == 9
    found = _process("warning_as_error", FASTCONV_CACHE_DIR=str(blocked / "cache"))
    assert found["numbers"] == [-9.0, -12.0, -15.0, -18.0, -21.0, -24.0]
    assert blocked.read_text() == "a file where a folder should be"


def test_threads_share_one_compilation() -> None:
    found = _process("two_threads")
    assert found["numbers"] == [-9.0, -12.0, -15.0, -18.0, -21.0, -24.0]
    assert found["specialisations"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork_while_another_thread_compiles() -> None:
    found = _process("fork_while_compiling", "-W", "error", "-W", "ignore:This process:DeprecationWarning")
    np.testing.assert_allclose(found["numbers"], found["expected"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("name", ["compiled_in_children", "compiled_in_dask"])
def test_compiled_loops_on_the_worker_pool(name: str) -> None:
    if name == "compiled_in_dask":
        pytest.importorskip("dask.array")
    found = _process(name, "-W", "error", "-W", "ignore:This process:DeprecationWarning")
    np.testing.assert_allclose(found["numbers"], found["expected"])


def test_addresses_and_their_constants() -> None:
    assert _process("addresses")["misses"] == 5
    assert _process("addresses")["hits"] == 5


def test_any_edit_of_a_source_is_another_key(tmp_path: Path) -> None:
    """A copy of the package, a loop and its helper in different files; edits of either and of a third that comes in."""
    copy = tmp_path / "edited"
    shutil.copytree(PACKAGE, copy / "fastconv", ignore=shutil.ignore_patterns("__pycache__"))
    room = copy / "fastconv" / "loops"
    (room / "extra_helper.py").write_text(
        "from . import jit\nWEIGHT = 2\n@jit.helper\ndef weighed(x):\n    return x * WEIGHT\n"
    )
    (room / "extra_loop.py").write_text(
        "from . import jit\nfrom .extra_helper import weighed\n"
        "@jit.loop\ndef run(a, out):\n    for i in range(a.size):\n        out[i] = weighed(a[i]) + 1\n"
    )
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\nfrom fastconv.loops import extra_loop, jit\n"
        "out = np.empty(2)\nextra_loop.run(np.array([1.0, 10.0]), out)\n"
        "print(*out, jit.stats()['hits'], jit.__file__)\n"
    )

    def run() -> list[str]:
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-W", "error", str(script)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        *numbers, origin = done.stdout.split()
        assert Path(origin).is_relative_to(copy)
        return numbers

    def edit(name: str, old: str, new: str) -> None:
        text = (room / name).read_text()
        assert old in text
        (room / name).write_text(text.replace(old, new))

    assert run() == ["3.0", "21.0", "0"]
    assert run() == ["3.0", "21.0", "1"]
    edit("extra_helper.py", "WEIGHT = 2", "WEIGHT = 5")
    assert run() == ["6.0", "51.0", "0"]
    edit("extra_helper.py", "x * WEIGHT", "x - WEIGHT")
    assert run() == ["-3.0", "6.0", "0"]
    edit("extra_loop.py", "+ 1", "+ 2")
    assert run() == ["-2.0", "7.0", "0"]
    (room / "bystander.py").write_text("# no file that the loop reaches names this one\n")
    assert run() == ["-2.0", "7.0", "1"]
    edit("extra_helper.py", "from . import jit", "from . import bystander, jit  # could hold an intrinsic's code")
    assert run() == ["-2.0", "7.0", "0"]
    edit("bystander.py", "no file", "a file")
    assert run() == ["-2.0", "7.0", "0"]
    assert run() == ["-2.0", "7.0", "1"]


def test_processor_and_compiler_are_part_of_the_key() -> None:
    text = cache.machine()
    for part in (jit.numba.__version__, np.__version__, "OPT", "host"):
        assert part in text
    ours = _process("one")
    assert ours["misses"] == 1
    generic = _process("one", NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    assert (generic["hits"], generic["misses"]) == (0, 1)
    assert generic["numbers"] == ours["numbers"]
    assert _process("one")["hits"] == 1
