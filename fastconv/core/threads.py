"""The package's own worker pool: how many workers a call may use, and tasks shared out among them.

A task is a call of compiled code that gives up the interpreter's lock, on one band of an array, for at most about
10 ms.  `run` hands the indices of the tasks to the calling thread and to a few daemon threads that sleep on a queue.
The caller never waits for a helper that has not begun: it does that share itself, so a busy, dropped or dead pool
costs speed and never an answer.

 - Nothing happens at import: threads start when the first call wants them.
 - Inside a task everything runs inline, and so it does inside a dask task, where the cores are taken already.
 - Before a fork the pool is dropped; parent and child each build a new one when they next need it.
 - An exception, Ctrl-C too, stops the hand-out; tasks that are running are waited for, then it is raised.
"""

from __future__ import annotations

import contextvars
import operator
import os
import sys
import threading
import time
from _thread import allocate_lock
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from .cores import cores, environment_limit, in_dask_task, quota_limit
from .errors import bad_type, bad_value

__all__ = ["SERIAL_NS", "call_out", "checked_workers", "in_task", "run", "wait_by", "worker_count"]

#: work that is not worth handing out to another thread, in nanoseconds
SERIAL_NS = 150_000
#: how long a fork waits for this pool's threads to leave
_FORK_PATIENCE = 0.05


# how many workers ------------------------------------------------------------------------------------------------
def worker_count(workers: int | None) -> int:
    """Threads that one call may use, the caller's own among them.

    The least of ``workers`` (None: no limit), the environment variable FASTCONV_NUM_THREADS (where it is not set,
    OMP_NUM_THREADS), the cores this process may run on, and the processor quota of its control group; 1 inside a
    task of this pool or of dask.  The environment is read at each call.  A FASTCONV_NUM_THREADS that is no positive
    integer is a ValueError; such an OMP_NUM_THREADS is ignored, since it may be meant for another program.

    Raises
    ------
    TypeError, ValueError
        ``workers`` is no integer, or less than 1.

    Examples
    --------
    >>> worker_count(1)
    1
    """
    asked = sys.maxsize if workers is None else checked_workers(workers)
    limit = min(asked, environment_limit())
    if limit > 1:
        limit = min(limit, cores(), quota_limit())
    return 1 if limit > 1 and (_local.inside or in_dask_task()) else limit


def checked_workers(workers: Any) -> int:
    """``workers=`` as an int of at least 1; TypeError or ValueError otherwise."""
    allowed = "None or an integer of at least 1"
    if isinstance(workers, (bool, np.bool_)):
        raise bad_type("workers", workers, allowed)
    try:
        count = operator.index(workers)
    except TypeError:
        raise bad_type("workers", workers, allowed) from None
    if count < 1:
        raise bad_value("workers", workers, allowed)
    return count


# running tasks ---------------------------------------------------------------------------------------------------
class _Local(threading.local):
    inside = False  # running a task, as caller or as helper
    job: _Job | None = None  # the job this thread leads


_local = _Local()


class _Job:
    """One call of `run`: a counter that caller and helpers draw indices from."""

    __slots__ = ("context", "count", "done", "error", "lock", "next", "running", "task")

    def __init__(self, task: Callable[[int], object], count: int) -> None:
        self.task: Callable[[int], object] | None = task
        self.count = count
        self.next = 0
        self.running = 0  # helpers at work
        self.lock = allocate_lock()
        self.done: Any = None  # a lock, once the caller sleeps on it
        self.error: BaseException | None = None
        # helpers see the caller's context variables: numpy.errstate is one
        self.context = contextvars.copy_context()

    def share(self, pool: _Pool | None = None) -> None:
        """Run tasks until none is left, or, as a helper, until the pool is dropped."""
        task = self.task
        assert task is not None
        while pool is None or not pool.dropped:
            with self.lock:
                index = self.next
                if index >= self.count:
                    return
                self.next = index + 1
            task(index)

    def stop(self, error: BaseException) -> None:
        """Hand out no more; keep the first error, but let an interrupt pass before an ordinary one."""
        with self.lock:
            self.next = self.count
            if self.error is None or (isinstance(self.error, Exception) and not isinstance(error, Exception)):
                self.error = error

    def help(self, pool: _Pool) -> None:
        """A pool thread's part."""
        with self.lock:
            if self.next >= self.count:
                return
            self.running += 1
        try:
            self.context.copy().run(self.share, pool)
        except BaseException as error:
            self.stop(error)
        with self.lock:
            self.running -= 1
            if self.running == 0 and self.done is not None:
                self.done.release()

    def lead(self, queue: SimpleQueue[_Job | _Nothing | None], helpers: int) -> None:
        """The caller's part: call helpers, take a share, wait for those at work, raise what went wrong."""
        try:
            for _ in range(helpers):
                queue.put(self)
            _recall()
            self.share()
        except BaseException as error:
            self.stop(error)
        while True:
            try:
                if self.finished():
                    break
                self.done.acquire()  # a signal gets through here, and its handler may raise
            except BaseException as error:
                self.stop(error)
        # helpers that come late find nothing; what the task holds on to must not live until they have
        self.task = None
        first, self.error = self.error, None
        if first is not None:
            try:
                raise first
            finally:
                del first  # it refers to this frame

    def finished(self) -> bool:
        """Whether no helper is at work; if one is, `done` will be released when the last one leaves."""
        with self.lock:
            if self.running == 0:
                return True
            if self.done is None:
                lock = allocate_lock()
                lock.acquire()
                self.done = lock
            return False

    def abandon(self) -> None:
        """In a forked child: the helpers are gone, and so is what they were doing."""
        self.lock = allocate_lock()
        self.running = 0
        self.stop(RuntimeError("the process was forked inside a task: its child cannot finish the call"))


class _Nothing:
    """What a helper is called with that sleeps on the queue, but is to wait elsewhere."""

    def help(self, pool: _Pool) -> None:
        pass


class _Pool:
    """Daemon threads that sleep on one queue; they outlive the call, not the process."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[_Job | _Nothing | None] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.dropped = False

    def grow(self, wanted: int) -> None:
        while len(self.threads) < wanted:
            name = f"fastconv-{len(self.threads) + 1}"
            thread = threading.Thread(target=_serve, args=(self,), name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # out of threads, or the interpreter is shutting down: the caller does the work
                return
            self.threads.append(thread)

    def drop(self) -> None:
        """Send the threads away and wait a moment, so that a fork meets as few threads as can be."""
        self.dropped = True
        self.queue.put(None)
        _recall()
        deadline = time.monotonic() + _FORK_PATIENCE
        for thread in self.threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))


def _serve(pool: _Pool) -> None:
    _local.inside = True
    waits = True
    while True:
        ticket = _ticket()
        try:
            job = pool.queue.get(not waits)
        except Empty:
            waits = _wait(ticket)
            continue
        waits = True
        if job is None:
            pool.queue.put(None)  # for the next thread
            return
        job.help(pool)
        job = None  # a sleeping thread keeps no array alive


_pool: _Pool | None = None
_ticket: Callable[[], int] = int
_wait: Callable[[int], bool] = bool
_recall: Callable[[], object] = bool
_lock = threading.RLock()


def in_task() -> bool:
    """Whether the calling thread is running a task of `run`."""
    return _local.inside


def run(task: Callable[[int], object], count: int, workers: int) -> None:
    """Call ``task(0)`` ... ``task(count - 1)``, shared among the calling thread and up to ``workers - 1`` others.

    Indices are handed out in ascending order, each to whoever is free.  Everything runs inline where ``count`` or
    ``workers`` is 1, inside another task, inside a dask task, and while the interpreter shuts down.  Calls from
    several threads at once are safe; they share the helpers.

    A task should last at most about 10 ms (so that Ctrl-C is heard) and compile nothing: fetch compiled loops first.
    The first exception stops the hand-out, and is raised when the tasks that are running have ended.

    Examples
    --------
    >>> squares = [0] * 4
    >>> run(lambda i: squares.__setitem__(i, i * i), 4, workers=2)
    >>> squares
    [0, 1, 4, 9]
    """
    helpers = min(workers, count) - 1
    if helpers < 1 or _local.inside or sys.is_finalizing() or in_dask_task():
        for index in range(count):
            task(index)
        return
    job = _Job(task, count)
    pool = _current_pool(helpers)
    try:
        _local.inside = True
        _local.job = job
        job.lead(pool.queue, helpers)
    finally:
        _local.inside = False
        _local.job = None


def wait_by(ticket: Callable[[], int], wait: Callable[[int], bool], recall: Callable[[], None]) -> None:
    """Have helpers wait for work in ``wait(ticket())`` instead of on the queue.

    It returns True when ``recall`` is, or was, called after the ticket was taken, as happens when tasks are handed out
    or the pool is dropped; where it returns False the helper sleeps on the queue.
    """
    global _ticket, _wait, _recall
    _ticket, _wait, _recall = ticket, wait, recall


def call_out(count: int) -> None:
    """Have ``count`` more helpers wait (see `wait_by`) when they are free; nobody waits for them."""
    pool = _current_pool(count)
    for _ in range(min(count, len(pool.threads))):
        pool.queue.put(_Nothing())


def _current_pool(helpers: int) -> _Pool:
    global _pool
    pool = _pool
    if pool is None or len(pool.threads) < helpers:
        with _lock:
            pool = _pool = _pool or _Pool()
            pool.grow(helpers)
    return pool


def _before_fork() -> None:
    global _pool
    _lock.acquire()  # no thread may be half way through building a pool
    pool, _pool = _pool, None
    if pool is not None:
        pool.drop()


def _after_fork_in_parent() -> None:
    _lock.release()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    if _local.job is not None:
        _local.job.abandon()
    elif _local.inside:  # forked by a pool thread, which is the main thread here
        _local.inside = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
