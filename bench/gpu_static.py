"""Prints what each CUDA loop costs on each board, and the speed that it cannot exceed there, without any GPU.

    python bench/gpu_static.py              the committed table
    python bench/gpu_static.py --measure    compile every loop anew (pip install 'fastconv[cuda-test]'; a minute or two)
    python bench/gpu_static.py --write      compile anew and commit to tests/cuda/budget.json

A ceiling is the least of: memory bandwidth over the bytes of one sample in and one out, instructions issued, and
float32 operations.  It is no measurement: nothing here has run on a GPU.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests" / "cuda")]

import budget  # noqa: E402
from sass import ARCHITECTURES, BOARDS, ceiling, occupancy  # noqa: E402

SIZES = {"float64": 8, "float32": 4, "float16": 2, "uint8": 1, "int16": 2, "int64": 8}


def lines(table: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """One row for each loop, one column for each board."""
    from loops import LOOPS

    boards = [f"{BOARDS[arch].name} (sm_{arch})" for arch in ARCHITECTURES]
    made = [f"| loop | {' | '.join(boards)} |", f"|---|{'---|' * len(boards)}"]
    for name, rows in table.items():
        loop = LOOPS[name]
        cells = []
        for arch in ARCHITECTURES:
            row = rows[str(arch)]
            filled = occupancy(arch, loop.threads, row["registers"], row["shared_bytes"])
            cell = f"{row['registers']} regs, {filled:.0%} warps"
            if row["local_bytes"]:
                cell += f", {row['local_bytes']} B local"
            if row["instructions"]:
                most, limit = ceiling(arch, row, SIZES[loop.source] + SIZES[loop.out])
                cell += f", {row['instructions']:.1f} ins, <= {most:.0f} Gpx/s ({limit})"
            cells.append(cell)
        made.append(f"| {name} | {' | '.join(cells)} |")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.write:
        table = budget.write()
    else:
        table = budget.measured(workers=2, anew=True) if options.measure else budget.committed()
    print("\n".join(lines(table)))


if __name__ == "__main__":
    main()
