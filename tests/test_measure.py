"""The benchmark's own correctness: every row agrees with every peer, and what differs is said, not timed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fastconv import measure
from fastconv.measure import peers as peer_calls
from fastconv.measure import turns

SIZE = (75, 98)


@pytest.mark.parametrize("row", measure.ROWS, ids=lambda row: row.name)
def test_row_agrees_with_scipy_and_opencv(row: measure.Row) -> None:
    image = row.image(SIZE)
    mine = measure.ours(row, image)()
    assert mine.dtype == row.out
    assert mine.shape == image.shape
    for name in ("scipy", "opencv"):
        if name not in measure.installed():
            continue
        call = measure.PEERS[name](row, image)
        if call is not None:
            gap = measure.difference(mine, call(), measure.scale_of(row, name))
            assert gap <= row.allowed(name, image), f"{name}: {gap}"


def test_names_are_unique() -> None:
    names = [row.name for row in measure.ROWS]
    assert len(set(names)) == len(names)


def test_images_are_reproducible_and_use_the_range() -> None:
    for row in measure.ROWS:
        image = row.image(SIZE)
        assert image.dtype == row.dtype
        assert np.array_equal(image, row.image(SIZE))
        if image.dtype.kind in "iu":
            assert np.ptp(image) > 0.6 * np.iinfo(image.dtype).max


def test_a_wrong_answer_is_reported_and_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(row: measure.Row, image: np.ndarray) -> peer_calls.Call:
        return lambda: np.full(image.shape, 99, row.out)

    monkeypatch.setitem(peer_calls.PEERS, "scipy", wrong)
    table = measure.run_table(["sobel x, float32"], size=SIZE, repeat=1, peers=["scipy"])
    (result,) = table.results
    assert not result.measured[0].equal
    assert result.measured[0].ratio is None
    assert "differs" in table.text()
    assert table.summary()["scipy"]["differ"] == ["sobel x, float32"]


def test_table_text_and_json() -> None:
    won = measure.Measured("scipy", True, 0.0, 1e-3, [2.0, 1.0], [9.0, 8.0])
    lost = measure.Measured("scipy", True, 0.0, 1e-3, [4.0], [2.0])
    differs = measure.Measured("scipy", False, float("inf"), 1e-3)
    results = (
        measure.Result("first", "direct", (won,)),
        measure.Result("second", "separable", (lost,)),
        measure.Result("third", "fft", (differs,)),
    )
    table = measure.Table(results, (4, 5), 1, 2, ("scipy",), measure.machine(("scipy",)))
    text = table.text()
    assert "8.00x" in text
    assert "0.50x <" in text
    assert "geometric mean 2.00x over 2 rows, worst 0.50x (second), 1 lost; answers differ: third" in text
    stored = json.loads(table.to_json(), parse_constant=pytest.fail)
    assert stored["rows"][0]["measured"][0]["theirs_median"] == 8.5
    assert measure.Table.from_json(table.to_json()).text() == text
    assert table.markdown().count("\n| ") == 5


def test_turns_alternate() -> None:
    order: list[str] = []
    ours, theirs = turns.time_in_turn(lambda: order.append("a"), lambda: order.append("b"), repeat=3)
    assert len(ours) == len(theirs) == 3
    runs = [letter for before, letter in zip(["", *order], order, strict=False) if letter != before]
    assert runs == list("abababab")  # one call each to size the groups, then three rounds


def test_no_repeat_past_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "BUDGET_S", 0.0)
    ours, _ = turns.time_in_turn(lambda: None, lambda: None, repeat=50)
    assert len(ours) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": ["no such row"]}, "rows"),
        ({"peers": ["matlab"]}, "peers"),
        ({"rows": ["laplace, float32"], "peers": ["scipy"], "repeat": 0}, "repeat"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure.run_table(size=SIZE, **arguments)  # type: ignore[arg-type]


def test_tolerance_follows_the_kernel() -> None:
    row = measure.select(["sobel x, float32"])[0]
    image = np.array([[0.5, -2.0]], np.float32)
    assert row.allowed("scipy", image) == pytest.approx(1e-5 * 8 * 2)
    assert replace(row, out="int16", steps={"scipy": 0}).allowed("scipy", image) == 0
