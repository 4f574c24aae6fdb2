"""``fastconv bench``: the table of times against other libraries."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from .arguments import Parser, positive, size

__all__ = ["run"]


def parser() -> Parser:
    p = Parser(
        prog="fastconv bench",
        usage="fastconv bench [--size HxW] [--rows NAME,...] [--json FILE] [options]",
        description="Time filters against scipy.ndimage and whichever of OpenCV, scikit-image and PyTorch are\n"
        "installed, after checking that the answers are equal.  Ratios are theirs to ours.",
        epilog="examples:\n  fastconv bench\n  fastconv bench --rows gaussian,sobel --size 1080x1920 --threads 2",
    )
    p.add_argument("--size", type=size, default=(2048, 2048), metavar="HxW", help="of the image (default 2048x2048)")
    p.add_argument("--rows", metavar="NAME,...", help="only rows whose names contain one of these")
    p.add_argument("--repeat", type=positive, default=7, metavar="N", help="rounds; the least time counts (default 7)")
    p.add_argument("--threads", type=positive, default=1, metavar="N", help="for all libraries (default 1)")
    p.add_argument("--peers", metavar="NAME,...", help="scipy, opencv, skimage, torch (default: those installed)")
    p.add_argument("--json", metavar="FILE", help="write everything, every single time included, as JSON")
    return p


def _parts(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _progress(row: str) -> None:
    print(f"\r\x1b[K{row}", end="", file=sys.stderr, flush=True)


def run(name: str, words: Sequence[str]) -> int:
    """Measure and print."""
    given = parser().parse_args(words)
    from fastconv import files, measure

    if given.json is not None and not Path(given.json).absolute().parent.is_dir():
        raise files.FileError(f"{given.json}: there is no folder {Path(given.json).absolute().parent}")
    terminal = sys.stderr.isatty()
    table = measure.run_table(
        _parts(given.rows),
        given.size,
        given.threads,
        given.repeat,
        _parts(given.peers),
        progress=_progress if terminal else None,
    )
    if terminal:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print(table.text())
    if given.json is not None:
        with files.replacing(Path(given.json)) as stream:
            stream.write(table.to_json().encode())
    return 0
