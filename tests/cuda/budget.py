"""Measures every loop of `loops.LOOPS` on every architecture; ``bench/gpu_static.py --write`` commits the result."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

__all__ = ["TABLE", "committed", "measured"]

TABLE = Path(__file__).with_name("budget.json")
Table = dict[str, dict[str, dict[str, Any]]]


def _loop(name: str) -> dict[str, dict[str, Any]]:
    from emulated import compiled_ptx
    from loops import ITEMS, LOOPS
    from sass import ARCHITECTURES, figures

    loop = LOOPS[name]
    ptx = compiled_ptx(loop.make(), ARCHITECTURES[0])  # every architecture takes the oldest one's PTX
    return {str(arch): figures(ptx, arch, ITEMS[loop.out], loop.work, loop.pixels).as_row() for arch in ARCHITECTURES}


def measured(workers: int = 1) -> Table:
    """name -> architecture -> figures."""
    from loops import LOOPS

    if workers == 1:
        return {name: _loop(name) for name in LOOPS}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return dict(zip(LOOPS, pool.map(_loop, LOOPS), strict=True))


def committed() -> Table:
    """What is held."""
    table: Table = json.loads(TABLE.read_text(encoding="utf-8"))
    return table
