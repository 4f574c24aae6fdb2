"""How many workers a call may use: arguments, environment, affinity, control groups."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from fastconv.core import cores, threads


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTCONV_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 8)
    monkeypatch.setattr(threads, "quota_limit", lambda: sys.maxsize)


@pytest.mark.usefixtures("eight_cores")
def test_worker_count_is_the_least_of_all_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads.worker_count(None) == 8
    assert threads.worker_count(3) == 3
    assert threads.worker_count(50) == 8
    assert threads.worker_count(cast(int, np.int32(2))) == 2
    monkeypatch.setattr(threads, "quota_limit", lambda: 5)
    assert threads.worker_count(None) == 5
    assert threads.worker_count(7) == 5
    monkeypatch.setenv("FASTCONV_NUM_THREADS", "4")
    assert threads.worker_count(None) == 4
    assert threads.worker_count(6) == 4
    assert threads.worker_count(1) == 1


@pytest.mark.usefixtures("eight_cores")
def test_the_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, count in (("3", 3), ("3", 3), ("5", 5), ("", 8), ("2", 2)):
        monkeypatch.setenv("FASTCONV_NUM_THREADS", text)
        assert threads.worker_count(None) == count
    monkeypatch.setenv("FASTCONV_NUM_THREADS", "none")
    for _ in range(2):
        with pytest.raises(ValueError, match="FASTCONV_NUM_THREADS"):
            threads.worker_count(None)
    monkeypatch.delenv("FASTCONV_NUM_THREADS")
    assert threads.worker_count(None) == 8
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert threads.worker_count(None) == 4
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "6"})
    assert threads.worker_count(None) == 6


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("ours", "theirs", "count"),
    [
        (None, "3", 3),
        ("6", "3", 6),  # ours is the one that counts
        (" 2 ", "3", 2),
        ("", "3", 3),
        (None, "4,2", 4),  # one number per nesting level
        (None, "many", 8),
        (None, "0", 8),
        (None, "-1", 8),
        (None, "99999999999999999999", 8),
        ("100", None, 8),
    ],
)
def test_environment(monkeypatch: pytest.MonkeyPatch, ours: str | None, theirs: str | None, count: int) -> None:
    for name, value in (("FASTCONV_NUM_THREADS", ours), ("OMP_NUM_THREADS", theirs)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert threads.worker_count(None) == count


@pytest.mark.parametrize("text", ["many", "0", "-2", "1.5", "2,2", "\u0663"])
def test_a_wrong_variable_of_ours_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FASTCONV_NUM_THREADS", text)
    with pytest.raises(ValueError, match="FASTCONV_NUM_THREADS must be an integer of at least 1"):
        threads.worker_count(None)


@pytest.mark.parametrize(
    ("workers", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (np.int64(0), ValueError),
        (True, TypeError),
        (np.True_, TypeError),
        (1.5, TypeError),
        (2.0, TypeError),
        ("2", TypeError),
        ([2], TypeError),
        (float("nan"), TypeError),
    ],
)
def test_wrong_workers(workers: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^workers must be None or an integer of at least 1"):
        threads.worker_count(workers)


def test_affinity_and_no_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 9}, raising=False)
    assert cores.cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert cores.cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores.cores() == 1


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000\n"}, 2),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/a\n", {"a/cpu.max": "max 100000\n"}, sys.maxsize),
        ("0::/\n", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/not/here\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/a\n", {"a/cpu.max": "nonsense"}, sys.maxsize),
        ("1:cpu:/x\n0::/\n", {"cpu/x/cpu.cfs_quota_us": "250000", "cpu/x/cpu.cfs_period_us": "100000"}, 3),
        ("4:cpu,cpuacct:/\n", {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, -1),
        ("4:cpuset:/\n", {"cpuset/cpu.cfs_quota_us": "100000", "cpuset/cpu.cfs_period_us": "100000"}, -1),
        ("no colons", {}, -1),
        ("", {}, -1),
    ],
)
def test_control_groups(tmp_path: Path, membership: str, files: dict[str, str], limit: int) -> None:
    root = _tree(tmp_path / "fs", files)
    (tmp_path / "cgroup").write_text(membership)
    assert cores.group_quota(tmp_path / "cgroup", root) == (limit if limit > 0 else sys.maxsize)
    assert cores.group_quota(tmp_path / "absent", root) == sys.maxsize
