"""The measured limits: a copy copies, multiply-adds are counted as by hand, and a table without limits still loads."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import fastconv as fc
from fastconv import measure
from fastconv.core.ir import Plan
from fastconv.core.threads import run
from fastconv.engine import watch
from fastconv.loops import machine_limits
from fastconv.loops.vec import vector_bytes
from fastconv.measure import limits, turns

STEP = machine_limits.STEP * vector_bytes()


def aligned(size: int) -> np.ndarray:
    room = np.zeros(size + 64, np.uint8)
    begin = -room.ctypes.data % 64
    return room[begin : begin + size]


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("passing", [False, True])
@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, 7 * STEP, 40 * STEP + 3])
def test_a_copy_of_equal_sizes_copies(size: int, passing: bool, workers: int) -> None:
    source = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    target = aligned(size + 9)
    limits.copy_call(source, target[:size], passing, workers)()
    assert np.array_equal(target[:size], source)
    assert not target[size:].any(), "written beyond the target"


@pytest.mark.parametrize("passing", [False, True])
@pytest.mark.parametrize("times", [2, 4, 8])
def test_a_copy_writes_more_or_reads_more(times: int, passing: bool) -> None:
    few = np.random.default_rng(times).integers(0, 256, 13 * STEP, np.uint8)
    many = aligned(few.size * times + 5)
    limits.copy_call(few, many[:-5], passing, 2)()
    vectors = many[:-5].reshape(-1, times, vector_bytes())
    assert np.array_equal(vectors, np.repeat(few.reshape(-1, 1, vector_bytes()), times, axis=1))
    assert not many[-5:].any()
    many[:-5] = np.random.default_rng(1).integers(0, 256, many.size - 5, np.uint8)
    back = aligned(few.size)
    limits.copy_call(many[:-5], back, passing, 2)()
    assert np.array_equal(back.reshape(-1, vector_bytes()), np.bitwise_xor.reduce(vectors, axis=1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_peak_does_the_multiply_adds_that_it_counts(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROUNDS", 5)
    done = []
    monkeypatch.setattr(limits, "run", lambda task, parts, workers: (run(task, parts, workers), done.append(parts)))
    call, counted = limits.peak_call(np.dtype(dtype), 2)
    call()
    assert done == [2 * limits.PARTS]
    lanes = vector_bytes() // np.dtype(dtype).itemsize
    assert counted == 2 * limits.PARTS * 5 * machine_limits.SUMS * lanes
    numbers = np.array([3.0, 1.0], dtype)  # the loop itself: each sum is multiplied and added to in every round
    sums = np.empty(machine_limits.SUMS * lanes, dtype)
    function = machine_limits.multiply_adds.address(ACC=np.dtype(dtype).type)
    machine_limits.call_multiply_adds(function, numbers.ctypes.data, sums.ctypes.data, 2)
    assert np.array_equal(sums, np.repeat(9.0 * np.arange(machine_limits.SUMS) + 4, lanes))


def plan_of(call: object) -> Plan:
    with watch() as calls:
        call()  # type: ignore[operator]
    ((plan,),) = calls
    return plan


def test_multiply_adds_by_hand() -> None:
    image = np.ones((30, 50), np.float32)
    colours = np.ones((30, 50, 3), np.float32)
    cases = [
        (lambda: fc.sobel(image, axis=1, method="separable"), 30 * 50 * (3 + 2)),
        (lambda: fc.sobel(image, axis=1, method="direct"), 30 * 50 * 6),
        (lambda: fc.gaussian(image, 1.0), 30 * 50 * (9 + 9)),
        (lambda: fc.gaussian(colours, 1.0, channel_axis=-1), 30 * 50 * 3 * (9 + 9)),
        (lambda: fc.correlate1d(image, [1, 2, 3, 4], axis=0), 30 * 50 * 4),
        (lambda: fc.box(image, 15, method="running_sum"), 30 * 50 * (2 + 2 + 1)),
        (lambda: fc.box(image, (1, 15), method="running_sum"), 30 * 50 * (2 + 1)),
        (lambda: fc.correlate(image, np.ones((3, 3)), method="running_sum"), 30 * 50 * (2 + 2)),
    ]
    for call, expected in cases:
        assert limits.multiply_adds(plan_of(call)) == expected


def test_operations_of_transforms_by_hand() -> None:
    kernel = np.random.default_rng(0).random((31, 21))
    plan = fc.explain((300, 700), kernel, method="fft")
    ((tall, wide),) = (p.size for p in plan.passes)
    tiles = math.ceil(300 / ((tall - 30) // 4 * 4)) * 2 * math.ceil(700 / (wide - 20) / 2)
    operations = 2 * tiles * 2.5 * tall * wide * math.log2(tall * wide)
    assert limits.multiply_adds(plan) == pytest.approx(operations / 2)
    volume = np.random.default_rng(0).random((3, 5, 7))
    plan = fc.explain((30, 70, 90), volume, axes=(0, 1, 2), method="fft")
    samples = math.prod(plan.passes[0].size)
    tiles = math.prod(
        math.ceil(n / (t - r)) for n, t, r in zip((30, 70, 90), plan.passes[0].size, (2, 4, 6), strict=True)
    )
    assert limits.multiply_adds(plan) == pytest.approx(tiles * 2.5 * samples * math.log2(samples))


def test_a_fraction_is_the_greater_limit_over_ours() -> None:
    memory = measure.Limit([5.0, 4.0], [2.0, 3.0], [1.0, 9.0])
    assert (memory.bound, memory.fraction) == ("memory", 0.5)
    arithmetic = measure.Limit([4.0], [1.0], [3.0])
    assert (arithmetic.bound, arithmetic.fraction) == ("arithmetic", 0.75)


def test_every_row_of_a_run_has_its_limits() -> None:
    rows = ["sobel x, float32", "box 63, uint8", "gaussian 1, float64", "gaussian 1, RGB uint8"]
    table = measure.run_table(rows, size=(75, 98), threads=2, repeat=1, peers=[])
    assert [r.name for r in table.results] == rows
    for result in table.results:
        assert result.limit is not None
        assert min(*result.limit.memory, *result.limit.arithmetic, *result.limit.ours) > 0
        assert result.ours == min(result.limit.ours)


def test_limits_in_text_json_and_markdown_and_tables_from_before() -> None:
    won = measure.Measured("scipy", True, 0.0, 1e-3, [2.0, 1.0], [9.0, 8.0])
    results = (
        measure.Result("first", "direct", (won,), measure.Limit([4.0], [3.0], [1.0])),
        measure.Result("second", "direct", (won,), measure.Limit([4.0], [1.0], [0.5])),
        measure.Result("third", "fft", (won,), measure.Limit([4.0], [1.0], [2.0])),
        measure.Result("fourth", "fft", (won,)),
    )
    table = measure.Table(results, (4, 5), 1, 2, ("scipy",), measure.machine(("scipy",)))
    text = table.text()
    assert "0.75 memory" in text
    assert "memory bounds 2 rows: of its limit mean 0.50, least 0.25 (second)" in text
    assert "arithmetic bounds 1 row: of its limit mean 0.50, least 0.50 (third)" in text
    assert "| 0.50 arithmetic |" in table.markdown()
    again = measure.Table.from_json(table.to_json())
    assert again.text() == text
    old = json.loads(table.to_json())
    del old["limits"]
    for row in old["rows"]:
        row.pop("limit", None)
    before = measure.Table.from_json(json.dumps(old))
    assert all(r.limit is None for r in before.results)
    assert "| first | direct | 1 |  | 9 |".replace("9", "8") in before.markdown()
    assert "bounds" not in before.text()
    assert [len(line.split("|")) for line in before.markdown().splitlines() if line.startswith("|")] == [8] * 6


def test_calls_alike_are_timed_in_groups_of_one_size() -> None:
    order: list[str] = []

    def slow() -> None:
        order.append("s")
        machine_limits.call_multiply_adds(function, numbers.ctypes.data, sums.ctypes.data, 200_000)

    numbers, sums = np.array([0.5, 1.0]), np.empty(machine_limits.SUMS * vector_bytes(), np.uint8)
    function = machine_limits.multiply_adds.address(ACC=np.float64)
    slow()
    order.clear()
    turns.in_turn((slow, lambda: order.append("q")), 2, alike=True)
    assert order[:2] == ["s", "q"]
    turn = "".join(order[2:])
    half = turn[: len(turn) // 2]
    assert turn == half * 2
    assert half.count("s") == half.count("q")
