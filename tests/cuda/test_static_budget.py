"""Every CUDA loop compiled for every architecture, held to the committed table of its registers and instructions."""

from __future__ import annotations

import pytest

pytest.importorskip("numba_cuda", reason="the CUDA extra is not installed")

import budget
from loops import LOOPS
from sass import ARCHITECTURES, BOARDS, ceiling, occupancy

#: a figure may be this much above its row
TOLERANCE = 1.1
GROWING = ("registers", "shared_bytes", "instructions", "float32")
#: what no row may have, and a figure not more of than its row
ABSENT = ("local_in_loop",)
LIMITED = ("local_bytes", "spill_bytes", "float64")


def test_the_table_has_a_row_for_every_loop() -> None:
    table = budget.committed()
    assert list(table) == list(LOOPS)
    assert all(list(rows) == [str(arch) for arch in ARCHITECTURES] for rows in table.values())


@pytest.mark.parametrize("name", LOOPS)
def test_loops_stay_within_their_budget(name: str, measured_budget: budget.Table) -> None:
    for arch, row in budget.committed()[name].items():
        now = measured_budget[name][arch]
        for key in GROWING:
            assert (now[key] is None) == (row[key] is None), (arch, key)
            assert row[key] is None or now[key] <= TOLERANCE * row[key], (arch, key, now[key], row[key])
        for key in LIMITED:
            assert now[key] <= TOLERANCE * row[key], (arch, key, now[key], row[key])
        for key in ABSENT:
            assert now[key] == row[key] == 0, (arch, key)
        if LOOPS[name].source != "float64":
            assert now["float64"] == 0, arch


@pytest.mark.parametrize("name", LOOPS)
def test_nothing_is_spilled(name: str) -> None:
    for arch, row in budget.committed()[name].items():
        assert row["spill_bytes"] == row["local_bytes"] == 0, arch


def test_assembling_anew_finds_what_is_committed() -> None:
    """The others are not assembled again where their PTX and the tools are those of the table."""
    rows, key = budget._loop("line")
    assert rows.keys() == budget.committed()["line"].keys()
    assert all(
        rows[arch]["registers"] <= TOLERANCE * row["registers"] for arch, row in budget.committed()["line"].items()
    )
    assert len(key) == 64
    text = ".entry _Z1a( call _Z2b _Z1a add.f32"
    assert (
        budget.digest(text) == budget.digest(text.replace("_Z1a", "_Z9x")) != budget.digest(text.replace("add", "mul"))
    )


def test_ceilings() -> None:
    """Figures worked out by hand: an A100 moves 2039 GB/s, so 254.9 Gpx/s at 8 bytes."""
    row = {"instructions": 14.0, "float32": 9.0}
    assert ceiling(80, row, 8) == (pytest.approx(254.875), "memory")
    assert ceiling(80, {"instructions": 100.0, "float32": 81.0}, 8) == (pytest.approx(108 * 1.41 * 64 / 81), "float32")
    assert ceiling(90, {"instructions": 128.0, "float32": 1.0}, 1) == (pytest.approx(132 * 1.755), "instructions")
    assert occupancy(80, 128, 64, 0) == 0.5
    assert occupancy(75, 256, 32, 40000) == 0.25
    assert set(BOARDS) == set(ARCHITECTURES)
