"""Running the table: equal answers first, then both calls in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastconv.core.errors import bad_type, bad_value
from fastconv.core.ir import Plan
from fastconv.engine import watch

from .limits import measure_limit
from .peers import PEERS, Call, installed, ours, peer_threads, scale_of
from .rows import ROWS, Row, select
from .table import Measured, Result, Table, machine
from .turns import time_in_turn

__all__ = ["difference", "run_table"]


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


def _measure(row: Row, image: np.ndarray, mine: Call, theirs: Call, peer: str, repeat: int) -> Measured:
    allowed = row.allowed(peer, image)
    gap = difference(mine(), theirs(), scale_of(row, peer))
    if gap > allowed:  # what differs is not timed: the figure would compare two different jobs
        return Measured(peer, equal=False, difference=gap, allowed=allowed)
    own, other = time_in_turn(mine, theirs, repeat)
    return Measured(peer, True, gap, allowed, own, other)


def _plans(mine: Call) -> tuple[Plan, ...]:
    """The plans that our own call follows."""
    with watch() as calls:
        mine()
    return tuple(plan for plans in calls for plan in plans)


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
            plans = _plans(mine)
            method = " + ".join(dict.fromkeys(plan.method for plan in plans))
            limit = measure_limit(plans, image, row.out, mine, threads, repeat)
            results.append(Result(row.name, method, tuple(measured), limit))
    return Table(tuple(results), size=size, threads=threads, repeat=repeat, peers=names, machine=machine(names))
