"""Running the table: equal answers first, then both calls in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from fastconv.core.errors import bad_type, bad_value

from .peers import PEERS, Call, installed, ours, peer_threads, scale_of
from .rows import MODE, ROWS, Row, select
from .table import Measured, Result, Table, machine

__all__ = ["difference", "run_table", "time_in_turn"]

#: a pair of calls stops being repeated after this long (never before the second round)
BUDGET_S = 10.0
#: short calls are timed in groups that take at least this long
GROUP_NS = 500_000


def difference(result: np.ndarray, peer: np.ndarray, scale: float = 1.0) -> float:
    """Largest absolute difference of two results, in float64; infinite where the shapes or the NaNs differ.

    >>> difference(np.array([1, 250], np.uint8), np.array([3, 249], np.uint8))
    2.0
    """
    if result.shape != peer.shape:
        return float("inf")
    gap = np.abs(result.astype(np.float64) - scale * peer.astype(np.float64))
    worst = float(np.max(gap, initial=0.0))
    return worst if np.isfinite(worst) else float("inf")


def time_in_turn(
    first: Callable[[], object], second: Callable[[], object], repeat: int
) -> tuple[list[float], list[float]]:
    """Milliseconds a call, ``repeat`` times for each of two calls, the one after the other.

    Taking turns lets a drift of the machine's clock or load fall on both.  Both must have been called once before.
    """
    if repeat < 1:
        raise bad_value("repeat", repeat, "a positive integer")
    counts = [_group(call) for call in (first, second)]
    times: tuple[list[float], list[float]] = ([], [])
    started = time.perf_counter()
    for done in range(repeat):
        if done >= 2 and time.perf_counter() - started > BUDGET_S:
            break
        for call, count, into in zip((first, second), counts, times, strict=True):
            begin = time.perf_counter_ns()
            for _ in range(count):
                call()
            into.append((time.perf_counter_ns() - begin) / count / 1e6)
    return times


def _group(call: Callable[[], object]) -> int:
    begin = time.perf_counter_ns()
    call()
    return max(1, GROUP_NS // max(1, time.perf_counter_ns() - begin))


def _measure(row: Row, image: np.ndarray, mine: Call, theirs: Call, peer: str, repeat: int) -> Measured:
    allowed = row.allowed(peer, image)
    gap = difference(mine(), theirs(), scale_of(row, peer))
    if gap > allowed:  # what differs is not timed: the figure would compare two different jobs
        return Measured(peer, equal=False, difference=gap, allowed=allowed)
    own, other = time_in_turn(mine, theirs, repeat)
    return Measured(peer, True, gap, allowed, own, other)


def _method(row: Row, image: np.ndarray) -> str:
    from fastconv.engine import explain

    options: dict[str, object] = {"mode": MODE, "dtype": row.out}
    if row.layout == "colour":
        options["channel_axis"] = -1
    elif row.layout == "volume":
        options["axes"] = (0, 1, 2)
    return explain(image, row.kernel, dilation=row.arguments.get("dilation", 1), **options).method


def _rows(rows: Sequence[Row | str] | None) -> tuple[Row, ...]:
    if rows is None:
        return ROWS
    if isinstance(rows, str):
        rows = [rows]
    chosen: list[Row] = []
    for row in rows:
        found = (row,) if isinstance(row, Row) else select([row])
        if not found:
            raise bad_value("rows", row, f"(part of) a row's name, such as {ROWS[0].name!r}")
        chosen.extend(r for r in found if r not in chosen)
    return tuple(chosen)


def _peers(peers: Sequence[str] | None) -> tuple[str, ...]:
    here = installed()
    if peers is None:
        return here
    if isinstance(peers, str):
        raise bad_type("peers", peers, "a list of names, or None for all that are installed")
    for name in peers:
        if name not in PEERS:
            raise bad_value("peers", name, f"among {', '.join(PEERS)}")
        if name not in here:
            raise bad_value("peers", name, f"an installed library (here: {', '.join(here)})")
    return tuple(peers)


def run_table(
    rows: Sequence[Row | str] | None = None,
    size: tuple[int, int] = (2048, 2048),
    threads: int = 1,
    repeat: int = 7,
    peers: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Table:
    """Time the rows against other libraries, after checking that both sides give the same answer.

    Parameters
    ----------
    rows
        `Row` values or parts of row names; all of `ROWS` when None.
    size
        Height and width of the images, in samples; volumes have about as many samples.
    threads
        Threads for fastconv and for the peers that can use them.
    repeat
        Rounds of one call each (fewer for a pair of calls that takes longer than 10 s).
    peers
        Some of "scipy", "opencv", "skimage", "torch"; those that are installed when None.
    progress
        Called with the name of each row before it is measured.

    Returns
    -------
    Table
        ``.text()`` to read, ``.to_json()`` to keep; a row whose answers differ says so and has no time.

    Raises
    ------
    ValueError
        For a row or a peer that does not exist, or a peer that is not installed.

    Examples
    --------
    >>> from fastconv import measure
    >>> table = measure.run_table(["sobel x, float32"], size=(64, 48), repeat=1, peers=["scipy"])
    >>> [(r.name, r.method, r.measured[0].equal) for r in table.results]
    [('sobel x, float32', 'separable', True)]
    """
    chosen, names = _rows(rows), _peers(peers)
    results = []
    with peer_threads(names, threads):
        for row in chosen:
            if progress is not None:
                progress(row.name)
            image = row.image(size)
            mine = ours(row, image, threads)
            calls = [(peer, PEERS[peer](row, image)) for peer in names]
            measured = [_measure(row, image, mine, call, peer, repeat) for peer, call in calls if call is not None]
            results.append(Result(row.name, _method(row, image), tuple(measured)))
    return Table(tuple(results), size=size, threads=threads, repeat=repeat, peers=names, machine=machine(names))
