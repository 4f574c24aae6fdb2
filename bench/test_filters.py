"""The rows of the benchmark table as pytest-benchmark cases: answers compared first, then one side timed.

    python -m pytest bench -m 'not slow' --bench-size 512x512 -k "sobel or gaussian"

pytest-benchmark times one case after another, so the machine's drift is in its ratios; the published table comes
from `fastconv.measure.run_table`, which times both sides in turn.
"""

from __future__ import annotations

from typing import Any

import pytest

from fastconv import measure

WHO = ("fastconv", *measure.installed())


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("row", measure.ROWS, ids=lambda row: row.name)
def test_filter(benchmark: Any, row: measure.Row, who: str, bench_size: tuple[int, int], bench_threads: int) -> None:
    image = row.image(bench_size)
    mine = measure.ours(row, image, bench_threads)
    peer = "scipy" if who == "fastconv" else who
    theirs = measure.PEERS[peer](row, image)
    if theirs is None:
        pytest.skip(f"{peer} does not offer this row")
    gap = measure.difference(mine(), theirs(), measure.scale_of(row, peer))
    assert gap <= row.allowed(peer, image)
    benchmark.group = row.name
    benchmark(mine if who == "fastconv" else theirs)
