"""Fill the generated parts of README.md: a plan's text, the table of bad input, the benchmarks.

    python bench/update_readme.py                              from the committed results
    python bench/update_readme.py --measure --threads 1        measure first (an otherwise idle machine, minutes)
    python bench/update_readme.py --measure --size 256x256     another size: its table is folded below the largest

Each part stands between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``; a test holds that it is up to date.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import re
import sys
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from fastconv import explain, kernels, measure

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "bench" / "results"
GPU_RESULTS = ROOT / "bench" / "gpu_results"


def benchmark_table() -> str:
    """The committed results: those of the largest size in full, below them the others, folded."""
    tables = [measure.Table.from_json(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*.json")]
    if not tables:
        return "Not measured yet: `python bench/update_readme.py --measure` on an idle machine fills this table."
    tables.sort(key=lambda table: (-math.prod(table.size), table.size, table.threads))
    return "\n\n".join(t.markdown() if t.size == tables[0].size else _folded(t) for t in tables)


def _folded(table: measure.Table) -> str:
    height, width = table.size
    line = f"{height} x {width}, {table.threads} thread{'s' * (table.threads > 1)}: geometric mean "
    timed = [(peer, s) for peer, s in table.summary().items() if s["rows"]]
    line += ", ".join(f"{s['geometric_mean']:.2f}x of {peer} ({len(s['lost'])} lost)" for peer, s in timed)
    return f"<details>\n<summary>{line}</summary>\n\n{table.markdown()}\n\n</details>"


def explained() -> str:
    """The text of a plan: a Laplacian of a Gaussian on a photograph of 2 Mpx."""
    call = "fc.explain((1080, 1920), fc.kernels.gaussian_laplace(2.0))"
    plan = explain((1080, 1920), kernels.gaussian_laplace(2.0))
    return f"```text\n# print({call})\n{plan}\n```"


def _beside(folder: str, module: str) -> Any:
    """A module of the tests or of the benchmarks."""
    sys.path.insert(0, str(ROOT / folder))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(str(ROOT / folder))


def ndimage_table() -> str:
    """The kept figures of bench/ndimage.py."""
    stored = RESULTS / "ndimage" / "threads2.json"
    if not stored.exists():
        return "Not measured yet: run `bench/ndimage.py` with `--json` on an idle machine."
    return _beside("bench", "ndimage").from_json(stored.read_text(encoding="utf-8"))


def nn_table() -> str:
    """The kept figures of bench/nn.py: PyTorch's time over ours, a table for each number of threads."""
    tables = []
    for path in sorted((RESULTS / "nn").glob("*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        rows = kept["rows"]
        sizes = list(dict.fromkeys(_size(row) for row in rows))
        lines = [f"| {kept['threads']} thread(s) | " + " | ".join(sizes) + " |", "| :-- |" + " --: |" * len(sizes)]
        for name in dict.fromkeys(row["row"] for row in rows):
            found = {_size(row): row["ratio"] for row in rows if row["row"] == name}
            lines.append(f"| {name} | " + " | ".join(f"{found[s]:.2f}" if s in found else "" for s in sizes) + " |")
        ratios = [row["ratio"] for row in rows]
        mean, lost = geometric_mean(ratios), sum(r < 1 for r in ratios)
        lines += ["", f"Geometric mean {mean:.2f} over {len(rows)} rows, least {min(ratios):.2f}, {lost} lost."]
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def _size(row: dict[str, Any]) -> str:
    return f"{row['channels in']}-{row['channels out']} @ {row['pixels']}"


def behaviours_table() -> str:
    """Three behaviours on one line of bytes, from the module that the tests check."""
    return _beside("tests", "behaviours").table()


def bad_input_table() -> str:
    """The rows that the tests run: what is wrong, the call, and the kind of error or the answer."""
    table = _beside("tests", "bad_input")
    rows = [(row.what, row.call, row.error.__name__) for row in table.WRONG]
    rows += [(row.what, row.call, row.answer) for row in table.RIGHT]
    lines = [f"| {what} | `{call}` | {answer} |" for what, call, answer in rows]
    count = f"{len(table.WRONG)} calls that raise, {len(table.RIGHT)} that look wrong and have an answer"
    head = "| what | call | result |\n| :-- | :-- | :-- |"
    body = "\n".join(lines)
    return f"<details>\n<summary>{count}</summary>\n\n{head}\n{body}\n\n</details>"


def gpu_table() -> str:
    """What `bench/gpu.py` measured, a table for each device."""
    tables = []
    for path in sorted(GPU_RESULTS.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        lines = [
            f"{found['device']}:",
            "",
            "| filter | size | ms | of a copy's speed | others, ms |",
            "|---|---|---|---|---|",
        ]
        for row in found["rows"]:
            others = ", ".join(f"{name} {time:.3f}" for name, time in row["peers"].items())
            cells = (row["filter"], row["size"], f"{row['ms']:.3f}", f"{row['of_copy']:.0%}", others)
            lines.append(f"| {' | '.join(cells)} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables) or "No GPU has been timed: `python bench/gpu.py` does that where there is one."


BLOCKS = {
    "explain": explained,
    "behaviours": behaviours_table,
    "ndimage": ndimage_table,
    "nn": nn_table,
    "bad input": bad_input_table,
    "benchmark": benchmark_table,
    "gpu": gpu_table,
}


def filled(text: str) -> str:
    """README text with every generated part made anew."""
    for name, make in BLOCKS.items():
        pattern = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise SystemExit(f"README.md must hold exactly one part named {name!r}")
        body = make()
        text = pattern.sub(lambda m, body=body: f"{m[1]}\n{body}\n\n{m[2]}", text)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="run the table first and store its result")
    parser.add_argument("--size", default="2048x2048", help="height x width (default 2048x2048)")
    parser.add_argument("--threads", type=int, default=1, help="threads for both sides (default 1)")
    parser.add_argument("--repeat", type=int, default=7, help="rounds (default 7)")
    options = parser.parse_args()
    if options.measure:
        height, _, width = options.size.partition("x")
        size = (int(height), int(width))
        table = measure.run_table(size=size, threads=options.threads, repeat=options.repeat, progress=print)
        print(table.text())
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{size[0]}x{size[1]}-threads{options.threads}.json").write_text(table.to_json(), encoding="utf-8")
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
