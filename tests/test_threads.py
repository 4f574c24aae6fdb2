"""The worker pool: every task once, errors, forks, interrupts, scratch memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from fastconv.core import scratch as memory
from fastconv.core import threads

HAZARDS = Path(__file__).parent / "hazards"
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


# running tasks ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("workers", [1, 2, 3, 16])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 500])
def test_each_index_once_and_ascending(count: int, workers: int) -> None:
    seen: list[int] = []
    lock = threading.Lock()

    def task(index: int) -> None:
        with lock:
            seen.append(index)

    threads.run(task, count, workers)
    assert sorted(seen) == list(range(count))
    if workers == 1:
        assert seen == list(range(count))


def test_two_tasks_run_at_the_same_time() -> None:
    meet = threading.Barrier(2)
    names: list[str] = []

    def task(index: int) -> None:
        meet.wait(20)  # breaks unless another thread is in a task too
        names.append(threading.current_thread().name)

    threads.run(task, 2, 2)
    assert len(set(names)) == 2
    assert threading.current_thread().name in names


def test_one_worker_stays_on_the_callers_thread() -> None:
    idents: set[int] = set()
    threads.run(lambda index: idents.add(threading.get_ident()), 50, 1)
    threads.run(lambda index: idents.add(threading.get_ident()), 1, 8)
    assert idents == {threading.get_ident()}


def test_nested_calls_run_inline_and_count_one() -> None:
    meet = threading.Barrier(2)
    notes: list[tuple[bool, int, bool]] = []

    def task(index: int) -> None:
        meet.wait(20)
        me = threading.get_ident()
        threads.run(
            lambda inner: notes.append((threading.get_ident() == me, threads.worker_count(4), threads.in_task())), 9, 4
        )

    threads.run(task, 2, 2)
    assert notes == [(True, 1, True)] * 18
    assert not threads.in_task()


@pytest.mark.parametrize("where", ["caller", "helper"])
def test_an_error_stops_the_hand_out_and_is_raised_when_the_others_have_ended(where: str) -> None:
    meet = threading.Barrier(2)
    main = threading.get_ident()
    began: list[int] = []
    ended: list[int] = []

    def task(index: int) -> None:
        began.append(index)
        if index < 2:
            meet.wait(20)
            if (threading.get_ident() == main) == (where == "caller"):
                raise LookupError(f"task {index}")
        threading.Event().wait(0.01)
        ended.append(index)

    with pytest.raises(LookupError, match=r"task [01]") as caught:
        threads.run(task, 1000, 2)
    assert len(began) == len(ended) + 1 < 1000
    assert any(entry.name == "task" for entry in caught.traceback)
    assert not threads.in_task()
    after: list[int] = []
    threads.run(after.append, 5, 2)
    assert sorted(after) == [0, 1, 2, 3, 4]


def test_an_interrupt_passes_before_an_ordinary_error() -> None:
    meet = threading.Barrier(2)
    main = threading.get_ident()

    def task(index: int) -> None:
        meet.wait(20)
        if threading.get_ident() == main:
            threading.Event().wait(0.05)
            raise KeyboardInterrupt
        raise LookupError

    with pytest.raises(KeyboardInterrupt):
        threads.run(task, 2, 2)


def test_calls_from_several_threads() -> None:
    wrong: list[object] = []

    def user(number: int) -> None:
        for round_ in range(40):
            found = np.zeros(23, np.int64)

            def task(index: int, found: np.ndarray = found, term: int = number * 1000 + round_) -> None:
                found[index] += term + index

            threads.run(task, 23, 3)
            if not np.array_equal(found, number * 1000 + round_ + np.arange(23)):
                wrong.append((number, round_, found))

    users = [threading.Thread(target=user, args=(number,)) for number in range(6)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join(60)
    assert not any(thread.is_alive() for thread in users)
    assert not wrong


def test_a_busy_pool_is_not_waited_for() -> None:
    threads.run(lambda index: None, 2, 2)
    release = threading.Event()
    meet = threading.Barrier(3)

    def block(index: int) -> None:
        meet.wait(20)
        release.wait(20)

    pool = threads._pool
    assert pool is not None
    workers = len(pool.threads) + 1
    meet = threading.Barrier(workers + 1)
    other = threading.Thread(target=threads.run, args=(block, workers, workers))
    other.start()
    meet.wait(20)  # every thread of the pool is inside block
    seen: list[int] = []
    threads.run(seen.append, 20, workers)
    assert sorted(seen) == list(range(20))
    assert not release.is_set()
    release.set()
    other.join(20)


def test_helpers_see_the_callers_context() -> None:
    meet = threading.Barrier(2)
    found: list[str] = []

    def task(index: int) -> None:
        meet.wait(20)
        found.append(np.geterr()["over"])

    with np.errstate(over="raise"):
        threads.run(task, 2, 2)
    expected = "raise" if int(np.__version__.partition(".")[0]) >= 2 else None
    assert expected is None or found == [expected, expected]


def test_nothing_of_a_finished_call_is_kept_alive() -> None:
    class Image:
        pass

    image = Image()
    ref = weakref.ref(image)

    def call(image: Image) -> None:
        meet = threading.Barrier(2)
        threads.run(lambda index: (meet.wait(20), image), 2, 2)

    call(image)
    del image
    assert ref() is None


def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    seen: list[int] = []
    threads.run(seen.append, 9, 4)
    assert seen == list(range(9))
    monkeypatch.setattr(threads, "_pool", None)


def _hazard(name: str) -> str:
    # a fork beside other threads is what these are about; Python 3.12 warns of it
    command = [sys.executable, "-W", "error", "-W", "ignore:This process:DeprecationWarning"]
    done = subprocess.run(
        [*command, str(HAZARDS / "pool.py"), name], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert "ok" in done.stdout.splitlines()
    return done.stdout


@forks
@pytest.mark.parametrize(
    "name",
    [
        "fork_after_use",
        "fork_leaves_no_thread",
        "fork_from_thread",
        "forks_under_load",
        "fork_inside_task",
        "child_of_caller_returns",
        "pool_fork",
    ],
)
def test_forks(name: str) -> None:
    _hazard(name)


def test_multiprocessing_by_spawn() -> None:
    _hazard("pool_spawn")


def test_import_starts_nothing() -> None:
    _hazard("quiet_import")


def test_interpreter_shutdown() -> None:
    assert _hazard("shutdown").split() == ["ok", "at", "exit", "finaliser"]
    assert _hazard("shutdown_cold").split() == ["ok", "at", "exit"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent another way there")
@pytest.mark.parametrize("name", ["interrupt", "interrupt_while_waiting"])
def test_interrupts(name: str) -> None:
    _hazard(name)


def test_one_worker_inside_dask_tasks() -> None:
    pytest.importorskip("dask.array")
    _hazard("dask_schedulers")


# scratch ---------------------------------------------------------------------------------------------------------
def test_scratch_is_aligned_typed_and_reused() -> None:
    memory.release_scratch()
    first = memory.scratch("a", 1001, np.float32)
    assert first.shape == (1001,)
    assert first.dtype == np.float32
    assert first.flags.writeable
    address = first.ctypes.data
    assert address % 64 == 0
    again = memory.scratch("a", 500, "float64")
    assert again.dtype == np.float64
    assert again.ctypes.data == address
    other = memory.scratch("b", 1001, np.float32)
    assert not np.shares_memory(first, other)
    assert memory.scratch("a", 0, np.uint8).shape == (0,)


def test_scratch_grows_by_half() -> None:
    memory.release_scratch()
    memory.scratch("a", 1000, np.uint8)
    grown = memory.scratch("a", 1001, np.uint8)
    assert memory.scratch("a", 1500, np.uint8).ctypes.data == grown.ctypes.data
    assert memory.scratch("a", 1501, np.uint8).size == 1501


def test_large_scratch_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    memory.release_scratch()
    monkeypatch.setattr(memory, "KEPT_BYTES", 1 << 12)
    small = memory.scratch("a", 1 << 12, np.uint8)
    large = memory.scratch("a", (1 << 12) + 1, np.uint8)
    assert large.ctypes.data % 64 == 0
    assert not np.shares_memory(small, large)
    assert memory.scratch("a", 1 << 12, np.uint8).ctypes.data == small.ctypes.data
    kept = memory._local.kept
    assert kept is not None
    assert [array.nbytes for array in kept.values()] == [1 << 12]


def test_each_thread_has_its_own_scratch_and_all_let_go() -> None:
    memory.release_scratch()
    meet = threading.Barrier(2)
    found: list[np.ndarray] = []

    def task(index: int) -> None:
        row = memory.scratch("row", 100, np.float64)
        row[:] = index
        meet.wait(20)
        assert (row == index).all()
        found.append(row)

    threads.run(task, 2, 2)
    assert not np.shares_memory(found[0], found[1])
    owners = [weakref.ref(array.base) for array in found]
    found.clear()
    assert any(owner() is not None for owner in owners)
    memory.release_scratch()
    assert [owner() for owner in owners] == [None, None]
