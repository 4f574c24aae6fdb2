"""One hazard of the worker pool in a process of its own: ``python pool.py NAME`` prints "ok" or dies.

The parent kills it when it hangs, which is what these hazards do when they are not handled.
"""

from __future__ import annotations

import atexit
import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import time

import numpy as np

from fastconv.core import threads

BLOCK = bytes(range(256)) * 4096  # 1 MiB: hashing it takes about a millisecond without the interpreter's lock


def work(seed: int, workers: int = 3, count: int = 12) -> list[int]:
    """A run whose every task gives up the lock, and its result."""
    found = [0] * count

    def task(index: int) -> None:
        found[index] = hashlib.sha256(BLOCK[seed + index :]).digest()[0]

    threads.run(task, count, workers)
    return found


def pool_work(seed: int) -> list[int]:
    return work(seed)


def expected(seed: int, count: int = 12) -> list[int]:
    return [hashlib.sha256(BLOCK[seed + index :]).digest()[0] for index in range(count)]


def fork_and_work(seed: int) -> None:
    """Fork; the child works and says how it went by its exit status."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if work(seed) == expected(seed) else 3)
        finally:
            os._exit(4)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status


def fork_after_use() -> None:
    assert work(1) == expected(1)
    fork_and_work(2)
    assert work(3) == expected(3)


def fork_leaves_no_thread() -> None:
    work(1)
    assert threading.active_count() > 1
    child = os.fork()
    if child == 0:
        os._exit(0 if threading.active_count() == 1 else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert threading.active_count() == 1
    work(2)
    assert threading.active_count() > 1


def fork_from_thread() -> None:
    work(1)
    failed: list[BaseException] = []

    def body() -> None:
        try:
            for seed in range(5):
                fork_and_work(seed)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    while thread.is_alive():
        assert work(7) == expected(7)
    thread.join()
    assert not failed, failed


def forks_under_load() -> None:
    stop = threading.Event()
    failed: list[BaseException] = []

    def load() -> None:
        try:
            while not stop.is_set():
                assert work(5) == expected(5)
        except BaseException as error:
            failed.append(error)

    loaders = [threading.Thread(target=load) for _ in range(2)]
    for loader in loaders:
        loader.start()
    for seed in range(30):
        fork_and_work(seed)
    stop.set()
    for loader in loaders:
        loader.join()
    assert not failed, failed


def fork_inside_task() -> None:
    """A child forked by a task can leave, or work on its own; it can never finish its parent's call."""

    def leaves(index: int) -> None:
        if index == 1:
            fork_and_work(index)
        else:
            hashlib.sha256(BLOCK).digest()

    threads.run(leaves, 6, 3)

    parent = os.getpid()
    children: list[int] = []

    def returns(index: int) -> None:
        if index == 0:
            child = os.fork()
            if child:
                children.append(child)
        else:
            time.sleep(0.001)

    try:
        threads.run(returns, 2, 1)
        if os.getpid() != parent:
            os._exit(0)
    except RuntimeError:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(children.pop(), 0)[1]) == 0


def child_of_caller_returns() -> None:
    """The caller's own task forks, and the child walks back into a call whose helpers do not exist there."""
    parent = os.getpid()
    children: list[int] = []
    main = threading.get_ident()
    meet = threading.Barrier(2)

    def task(index: int) -> None:
        if index < 2:
            meet.wait(20)  # caller and helper are both inside a task
            if threading.get_ident() == main:
                children.append(os.fork())
            else:
                time.sleep(0.2)

    try:
        threads.run(task, 6, 2)
    except RuntimeError as error:
        os._exit(0 if os.getpid() != parent and "forked inside a task" in str(error) else 5)
    if os.getpid() != parent:
        os._exit(6)
    assert os.waitstatus_to_exitcode(os.waitpid(children.pop(), 0)[1]) == 0


def pool_of_processes(method: str) -> None:
    context = multiprocessing.get_context(method)
    work(1)
    with context.Pool(2) as pool:
        assert pool.map(pool_work, range(6)) == [expected(seed) for seed in range(6)]
    assert work(2) == expected(2)
    with context.Pool(2) as pool:
        assert pool.map(pool_work, range(2)) == [expected(seed) for seed in range(2)]


def pool_fork() -> None:
    pool_of_processes("fork")


def pool_spawn() -> None:
    pool_of_processes("spawn")


def shutdown() -> None:
    """Work while the interpreter ends: in an exit handler, and later still, in a finaliser of a module's global."""
    work(1)

    def last() -> None:
        assert work(2) == expected(2)
        print("at exit", flush=True)

    atexit.register(last)

    class Late:
        def __del__(self) -> None:
            assert sys.is_finalizing()
            if work(3) == expected(3):
                print("finaliser", flush=True)

    # names with one underscore go first when the module is taken down: the rest of it is still there
    globals()["_late"] = Late()


def shutdown_cold() -> None:
    """The same where no thread was ever started."""

    def last() -> None:
        assert work(2) == expected(2)
        print("at exit", flush=True)

    atexit.register(last)


def interrupt() -> None:
    """Ctrl-C during a long call: heard soon, nothing handed out afterwards, nothing left running."""
    delays = []
    for _ in range(4):
        sent = [0.0]
        began: list[int] = []
        ended: list[int] = []

        def send(sent: list[float] = sent) -> None:
            time.sleep(0.1)
            sent[0] = time.perf_counter()
            os.kill(os.getpid(), signal.SIGINT)

        def task(index: int, began: list[int] = began, ended: list[int] = ended) -> None:
            began.append(index)
            hashlib.sha256(BLOCK).digest()
            ended.append(index)

        sender = threading.Thread(target=send)
        sender.start()
        try:
            threads.run(task, 20000, 3)
        except KeyboardInterrupt:
            delays.append(time.perf_counter() - sent[0])
            handed, finished = len(began), len(ended)
            # the caller's own task may have been cut short, the helpers' may not
            assert handed - finished <= 1, (handed, finished)
            time.sleep(0.05)
            assert len(began) == handed < 20000
        else:
            raise AssertionError("not interrupted")
        sender.join()
        assert work(1) == expected(1)
    # the machine may be busy: one of four tries has to be clean
    assert min(delays) < 0.1, delays


def interrupt_while_waiting() -> None:
    """The caller has no task left and sleeps: a signal's handler must run there, not when the helper is done."""
    release = threading.Event()
    main = threading.get_ident()
    meet = threading.Barrier(2)

    def handler(signum: int, frame: object) -> None:
        release.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)

    def send() -> None:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    def task(index: int) -> None:
        meet.wait(20)
        if threading.get_ident() != main:
            assert release.wait(20), "the signal's handler did not run"
            time.sleep(0.05)
            finished.append(index)

    finished: list[int] = []
    threading.Thread(target=send).start()
    try:
        threads.run(task, 2, 2)
    except KeyboardInterrupt:
        assert len(finished) == 1, "the helper was not waited for"
    else:
        raise AssertionError("not interrupted")


def dask_schedulers() -> None:
    """One worker inside a task, whichever scheduler runs it; all of them outside."""
    import dask
    import dask.array as da

    os.environ["FASTCONV_NUM_THREADS"] = "2"
    outside = threads.worker_count(None)
    counts: list[int] = []
    idents: list[bool] = []

    def block(values: np.ndarray) -> np.ndarray:
        if values.size > 1:
            counts.append(threads.worker_count(None))
            counts.append(threads.worker_count(8))
            me = threading.get_ident()
            threads.run(lambda index: idents.append(threading.get_ident() == me), 8, 4)
            assert work(1) == expected(1)
        return values + 1

    for scheduler in ("threads", "synchronous"):
        lazy = da.ones((8, 8), chunks=(2, 4)).map_blocks(block, dtype=float)
        with dask.config.set(scheduler=scheduler, num_workers=4):
            assert (lazy.compute() == 2).all()
    assert set(counts) == {1}
    assert all(idents)
    assert len(idents) == 8 * 8 * 2
    assert threads.worker_count(None) == outside
    assert work(2) == expected(2)


def quiet_import() -> None:
    assert threading.active_count() == 1
    for name in ("numba", "dask", "scipy"):
        assert name not in sys.modules, name
    os.environ["FASTCONV_NUM_THREADS"] = "1"  # read now, not at import
    assert threads.worker_count(None) == 1


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("ok", flush=True)
