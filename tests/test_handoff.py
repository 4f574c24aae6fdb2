"""Short work handed to helpers that wait awake: every call once, in order, whoever is there to make it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import handoff_loops as loops
import numpy as np
import pytest

import fastconv as fc
from fastconv.backends import handoff
from fastconv.core import threads
from fastconv.core.address import address
from fastconv.engine.repeated import fingerprint
from fastconv.loops.jit import machine_call

SHORT = 200_000.0
SECONDS = 400_000_000  # looks: tens of seconds


@pytest.fixture(autouse=True)
def every_call(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """From the first call on, on machines of any number of cores."""
    monkeypatch.setattr(handoff, "FIRST", 0)
    return


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("ns", [1.0, SHORT, 1e9])
def test_every_part_once_with_all_kinds_of_arguments(workers: int, ns: float) -> None:
    total = np.zeros(7)
    table = np.arange(6, dtype=np.int64).reshape(2, 3)
    add = loops.add.compiled(total, table, 1, np.float32(0.5), 0.25)

    def part(i: int, call: handoff.Now) -> None:
        call(add, total[i : i + 1], table[:, : 3 * (i >= 0)], i, np.float32(0.5), 0.25)

    for done in range(1, 4):
        handoff.share(part, 7, workers, ns)
        assert total.tolist() == [done * (5 + i + 0.75) for i in range(7)]


def test_a_parts_calls_keep_their_order() -> None:
    orders = np.zeros((4, 21))
    append = loops.append.compiled(orders[0], 1.0)

    def part(i: int, call: handoff.Now) -> None:
        for value in range(10):
            call(append, orders[i % 4], 100.0 * i + value)

    handoff.share(part, 4, 2, SHORT)
    for i, order in enumerate(orders):
        assert order[1 : int(order[0]) + 1].tolist() == [100.0 * i + value for value in range(10)]


def meeting() -> list[int]:
    """Two lanes that wait for each other: whether each saw the other."""
    words = np.zeros(64, np.int64)
    at = [address(words), address(words) + 256]
    meet = loops.meet.compiled(0, 0, 0)
    handoff.share(lambda i, call: call(meet, at[i], at[1 - i], SECONDS), 2, 2, SHORT)
    return [int(words[1]), int(words[33])]


def test_lanes_are_made_at_the_same_time() -> None:
    for _ in range(3):  # by a helper that is started, by one that is awake
        assert meeting() == [1, 1]
    time.sleep(0.05)
    assert meeting() == [1, 1]  # by one that sleeps
    handoff.loops.recall(handoff._at, handoff.SLOTS)
    assert meeting() == [1, 1]  # by one that was sent away


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not tell")
def test_who_was_woken_may_run_anywhere_again() -> None:
    meeting()
    time.sleep(0.05)
    meeting()
    assert threads._pool is not None
    for thread in threads._pool.threads:
        assert thread.native_id is not None
        assert os.sched_getaffinity(thread.native_id) == os.sched_getaffinity(0)


def test_tasks_find_helpers_that_wait_for_calls() -> None:
    meeting()
    both = threading.Barrier(2)
    threads.run(lambda index: both.wait(20), 2, 2)
    assert meeting() == [1, 1]
    threads.run(lambda index: both.wait(20), 2, 2)


def test_nobody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller makes all calls where no thread can be started."""
    handoff.loops.recall(handoff._at, handoff.SLOTS)
    threads._before_fork()
    threads._after_fork_in_parent()
    handoff._after_fork_in_child()  # new slots, with nobody in them
    monkeypatch.setattr(threads, "call_out", lambda count: None)
    orders = np.zeros((3, 5))
    append = loops.append.compiled(orders[0], 1.0)
    for _ in range(2):
        handoff.share(lambda i, call: call(append, orders[i], 1.0), 3, 3, SHORT)
    assert orders[:, :3].tolist() == [[2, 1, 1]] * 3
    handoff._after_fork_in_child()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_helpers_of_its_own() -> None:
    assert meeting() == [1, 1]
    child = os.fork()
    if child == 0:
        os._exit(0 if meeting() == [1, 1] else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert meeting() == [1, 1]


def test_callers_at_once() -> None:
    wrong: list[Any] = []
    start = threading.Barrier(4)

    def user(number: int) -> None:
        total, table = np.zeros(6), np.full((1, 1), number, np.int64)
        add = loops.add.compiled(total, table, 1, np.float32(0), 0.0)
        start.wait(20)
        for _ in range(300):
            handoff.share(lambda i, call: call(add, total[i : i + 1], table, i, np.float32(0), 0.0), 6, 3, SHORT)
        if total.tolist() != [300 * (number + i) for i in range(6)]:
            wrong.append(total)

    users = [threading.Thread(target=user, args=(number,)) for number in range(4)]
    for each in users:
        each.start()
    for each in users:
        each.join(120)
    assert not wrong
    assert not any(each.is_alive() for each in users)


def test_arguments_that_no_word_stands_for() -> None:
    strided = np.zeros(8)[::2]
    with pytest.raises(TypeError, match="contiguous"):
        machine_call(loops.append.compiled(strided, 1.0))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lanes each use of the helpers had."""
    found: list[int] = []
    make = handoff.Calls.make

    def counted(self: handoff.Calls, call: bool = True) -> None:
        found.append(len(self.lanes))
        make(self, call)

    monkeypatch.setattr(handoff.Calls, "make", counted)
    return found


# what is shared so -------------------------------------------------------------------------------------------------
IMAGE = np.random.default_rng(1).random((437, 519))
FILTERS: dict[str, Callable[..., np.ndarray]] = {
    "sobel": lambda x, **o: fc.sobel(x, axis=1, **o),
    "gaussian": lambda x, **o: fc.gaussian(x, 1.5, **o),
    "magnitude": lambda x, **o: fc.sobel(x, **o),
    "box": lambda x, **o: fc.box(x, 5, **o),
    "dense": lambda x, **o: fc.correlate(x, np.arange(1, 36).reshape(5, 7) / 99, method="direct", **o),
    "stride": lambda x, **o: fc.correlate(x, np.ones((3, 3)) / 9, stride=2, **o),
}


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("name", FILTERS)
def test_filters_have_the_same_bits(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch, made: list[int]) -> None:
    monkeypatch.setattr(threads, "worker_count", lambda workers: 1 if workers is None else workers)
    monkeypatch.setattr("fastconv.backends.cpu.worker_count", lambda workers: 1 if workers is None else workers)
    images = [(IMAGE * 255).astype(dtype), (IMAGE[::-1] * 255).astype(dtype)]
    want = [FILTERS[name](image, workers=1) for image in images]
    for workers in (2, 3, 2):
        for image, expected in zip(images, want, strict=True):
            for _ in range(3):
                assert np.array_equal(FILTERS[name](image, workers=workers), expected)
    assert bool(made) == (name not in ("magnitude", "stride"))  # those are more than one call a band


@pytest.mark.parametrize("options", [
    {"padding": 1}, {"padding": 1, "stride": 2}, {"padding": 2, "dilation": 2}, {"padding": 1, "groups": 4},
    {"padding": 1, "groups": 32}, {"kernel": 1}, {"kernel": 1, "groups": 2},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("pixels", [7, 14, 40])
def test_layers_have_the_same_bits(
    options: dict[str, int], pixels: int, monkeypatch: pytest.MonkeyPatch, made: list[int]
) -> None:
    monkeypatch.setattr("fastconv.core.threads.worker_count", lambda workers: 1 if workers is None else workers)
    random = np.random.default_rng(pixels)
    options = dict(options)
    kernel = options.pop("kernel", 3)
    weight = random.standard_normal((32, 32 // options.get("groups", 1), kernel, kernel), dtype=np.float32)
    monkeypatch.setattr(handoff, "LEAST_NS", 1.0)
    for n in (1, 3):
        x = random.standard_normal((n, 32, pixels, pixels), dtype=np.float32)
        methods = [offer.method for offer in fc.nn.explain(x, weight, **options).offers]
        for method in methods:
            want = fc.nn.conv2d(x, weight, method=method, workers=1, **options)
            for workers in (2, 3):
                got = fc.nn.conv2d(x, weight, method=method, workers=workers, **options)
                assert np.array_equal(got, want), (method, workers)
    assert 2 in made


# fingerprints ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [1, 31, 255, 1024, 2500])
def test_every_byte_and_its_place_count(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    want = fingerprint(data)
    assert fingerprint(data.copy()) == want
    for k in range(size):
        for bit in (1, 128):
            data[k] ^= bit
            assert fingerprint(data) != want
            data[k] ^= bit
    assert fingerprint(np.append(data, np.uint8(0))[:size]) == want


def test_words_that_change_places() -> None:
    data = np.random.default_rng(0).integers(0, 2**63, 512, np.int64)
    want, seen = fingerprint(data), set()
    for a in range(0, 512, 7):
        for b in range(a + 1, 512, 13):
            data[a], data[b] = data[b], data[a]
            seen.add(fingerprint(data))
            data[a], data[b] = data[b], data[a]
    assert want not in seen
    assert len(seen) == sum(len(range(a + 1, 512, 13)) for a in range(0, 512, 7))
