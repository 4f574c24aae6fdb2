"""Large weights that come again are recognised by all of their bytes."""

from __future__ import annotations

import numpy as np

from fastconv import nn
from fastconv.engine.repeated import Repeated


def test_kept_from_the_second_call_on() -> None:
    made: list[bool] = []

    def make(weight: np.ndarray, keep: bool) -> tuple[np.ndarray, bool]:
        made.append(keep)
        return weight, keep

    store, weight = Repeated(1 << 20), np.arange(1000.0)
    for _ in range(4):
        found = store.get("kind", weight, make)
    assert made == [False, True]
    assert found[0] is not weight
    assert store.get("another kind", weight, make) == (weight, False)


def test_one_changed_byte_is_another_weight() -> None:
    def total(weight: np.ndarray, keep: bool) -> float:
        return float(weight.sum())

    store, weight = Repeated(1 << 20), np.zeros(4097)
    for place in (1, 4096, 2000):
        for _ in range(3):
            assert store.get("kind", weight, total) == weight.sum()
        weight[place] += 1.0
        assert store.get("kind", weight, total) == weight.sum()


def test_others_with_the_same_sample_are_kept_in_their_turn() -> None:
    store, weight = Repeated(1 << 20), np.zeros(4097)
    for _ in range(2):
        store.get("kind", weight, lambda given, keep: keep)
    weight[1] = 1.0  # not among the sampled values
    assert [store.get("kind", weight, lambda given, keep: keep) for _ in range(3)] == [False, True, True]


def test_no_more_is_kept_than_the_limit() -> None:
    class Made:
        def __init__(self, weight: np.ndarray) -> None:
            self.weight, self.more = weight, np.repeat(weight, 2)

    store = Repeated(1_000_000)
    weights = [np.full(5000, float(i)) for i in range(12)]
    for _ in range(2):
        for weight in weights:
            store.get("kind", weight, lambda given, keep: Made(given))
    held = [entry for entry in store._found.values() if entry is not None]
    assert [entry[2] for entry in held] == [120_000] * 8
    assert store.get("kind", np.zeros(30_000), lambda given, keep: keep) is False


def test_weights_changed_in_place_between_calls_count() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((1, 64, 9, 10)).astype(np.float32)
    weight = rng.random((64, 64, 3, 3)).astype(np.float32)
    for _ in range(4):
        result = nn.conv2d(x, weight, padding=1)
        fresh = nn.conv2d(x, nn.prepare(weight), padding=1)
        assert np.array_equal(result, fresh)
        weight[3, 5, 1, 1] += 1.0
        nn.conv2d(x, weight, padding=1)
        nn.conv2d(x, weight, padding=1)
