"""What limits the number of workers: environment, affinity, control groups, a scheduler above us.

Each function answers with a number of cores, `sys.maxsize` meaning "no limit"; `threads.worker_count` takes the least.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

from .errors import bad_value

__all__ = ["cores", "environment_limit", "group_quota", "in_dask_task", "quota_limit"]


_NAMES = "FASTCONV_NUM_THREADS", "OMP_NUM_THREADS"
#: the names as they stand where CPython's `os.environ` keeps its values
_keys = [getattr(os.environ, "encodekey", str)(name) for name in _NAMES]
#: what stood there when it was last read, and what that means
_read: tuple[object, object, int] = None, None, sys.maxsize


def environment_limit() -> int:
    """What FASTCONV_NUM_THREADS says, or OMP_NUM_THREADS where that is not set; read at each call.

    Ours must be an integer of at least 1 (else ValueError); a strange OMP_NUM_THREADS is ignored: it may be meant
    for another program.
    """
    global _read
    # decoding them takes longer than filtering a small image
    values = getattr(os.environ, "_data", None)
    if type(values) is not dict:
        return _environment_limit()
    ours, theirs = values.get(_keys[0]), values.get(_keys[1])
    read = _read
    if read[0] != ours or read[1] != theirs:
        read = _read = ours, theirs, _environment_limit()
    return read[2]


def _environment_limit() -> int:
    ours = os.environ.get(_NAMES[0], "").strip()
    if ours:
        count = _positive(ours)
        if count is None:
            raise bad_value("the environment variable FASTCONV_NUM_THREADS", ours, "an integer of at least 1")
        return count
    # OpenMP allows one number per nesting level: "4,2"
    theirs = os.environ.get(_NAMES[1], "").partition(",")[0].strip()
    return _positive(theirs) or sys.maxsize


def _positive(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    return int(text) or None


def cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


@functools.cache
def quota_limit() -> int:
    """`group_quota` of this process, read once: it is a dozen files."""
    return group_quota(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))


def group_quota(membership: Path, root: Path) -> int:
    """Cores that the control groups allow, rounded up: the least of the process's group and all its parents.

    Version 2 keeps "quota period" in cpu.max; version 1 keeps two files below the cpu controller.  Inside a
    container the group's path may be that of the host, absent here: then the parents that do exist decide.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return sys.maxsize
    least = sys.maxsize
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            mounts = [root, root / "unified"]
        elif "cpu" in controllers.split(","):
            mounts = [root / controllers, root / "cpu"]
        else:
            continue
        parts = [part for part in path.split("/") if part and part != ".."]
        for mount in mounts:
            for depth in range(len(parts) + 1):
                least = min(least, _quota_of(mount.joinpath(*parts[:depth])))
    return least


def _quota_of(group: Path) -> int:
    try:
        if (group / "cpu.max").exists():
            quota, period = map(int, (group / "cpu.max").read_text().split())
        else:
            quota = int((group / "cpu.cfs_quota_us").read_text())
            period = int((group / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):  # no such group, or "max": no limit
        return sys.maxsize
    return max(1, -(-quota // period)) if quota > 0 and period > 0 else sys.maxsize


def in_dask_task() -> bool:
    """Whether dask's scheduler is among the callers.

    Only the call stack tells: dask's local schedulers run tasks on plain pool threads, or on the main thread, and
    leave no other mark.  Dask is looked up, never imported.
    """
    if "dask.local" not in sys.modules and "distributed.worker" not in sys.modules:
        return False
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") in ("dask.local", "distributed.worker"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
