"""Measures every loop of `loops.LOOPS` on every architecture; ``bench/gpu_static.py --write`` commits the result.

What an assembler makes of the same text is the same: a loop whose PTX is byte for byte the one that was measured, with
the same tools, is not assembled again.
"""

from __future__ import annotations

import hashlib
import json
import re
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

__all__ = ["TABLE", "committed", "digest", "measured", "write"]

TABLE = Path(__file__).with_name("budget.json")
#: what was measured: versions of the tools, digests of the loops' PTX
SOURCES = Path(__file__).with_name("budget_sources.json")
Table = dict[str, dict[str, dict[str, Any]]]
TOOLS = ("nvidia-nvjitlink", "nvidia-cuda-nvdisasm")


def _tools() -> dict[str, str]:
    found = {}
    for name in TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not from a package"
    return found


def digest(ptx: str) -> str:
    """Of PTX, whatever its functions are called: numba numbers them as they are compiled."""
    names: dict[str, str] = {}
    text = re.sub(r"\b_Z\w+", lambda found: names.setdefault(found[0], f"name{len(names)}"), ptx)
    return hashlib.sha256(text.encode()).hexdigest()


def _loop(name: str, anew: bool = True) -> tuple[dict[str, dict[str, Any]], str]:
    from emulated import compiled_ptx
    from loops import ITEMS, LOOPS
    from sass import ARCHITECTURES, figures

    loop = LOOPS[name]
    ptx = compiled_ptx(loop.make(), ARCHITECTURES[0])  # every architecture takes the oldest one's PTX
    key = digest(ptx)
    known = json.loads(SOURCES.read_text(encoding="utf-8"))
    if not anew and known["tools"] == _tools() and known["ptx"].get(name) == key:
        return committed()[name], key
    rows = {
        str(arch): figures(ptx, arch, ITEMS[loop.out], loop.work, loop.pixels).as_row() for arch in ARCHITECTURES
    }  # fmt: skip
    return rows, key


def measured(workers: int = 1, anew: bool = False) -> Table:
    """name -> architecture -> figures; anew: also of loops that are what they were."""
    return {name: rows for name, (rows, _) in _measured(workers, anew).items()}


def _measured(workers: int, anew: bool) -> dict[str, tuple[dict[str, dict[str, Any]], str]]:
    from loops import LOOPS

    if workers == 1:
        return {name: _loop(name, anew) for name in LOOPS}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return dict(zip(LOOPS, pool.map(_loop, LOOPS, [anew] * len(LOOPS)), strict=True))


def write(workers: int = 2) -> Table:
    """Measure everything and commit it."""
    found = _measured(workers, True)
    table = {name: rows for name, (rows, _) in found.items()}
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    sources = {"tools": _tools(), "ptx": {name: key for name, (_, key) in found.items()}}
    SOURCES.write_text(json.dumps(sources, indent=1) + "\n", encoding="utf-8")
    return table


def committed() -> Table:
    """What is held."""
    table: Table = json.loads(TABLE.read_text(encoding="utf-8"))
    return table
