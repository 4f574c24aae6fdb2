"""``fastconv apply``: read, filter, write, one file after the other."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import names
from .arguments import Parser, UsageError, add_filter_options, filter_options, positive

if TYPE_CHECKING:
    import numpy as np

    from .chain import Step

__all__ = ["run"]

DTYPES = ("same", "uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64")
_EXAMPLES = """\
examples:
  fastconv apply photo.jpg -o soft.jpg gaussian:2
  fastconv apply photo.png -o edges.png gaussian:1.5 sobel --scale 0.25
  fastconv apply *.tif -o filtered/ unsharp:radius=3,amount=0.8
  fastconv apply scans/ -o filtered/ kernel:'1 2 1; 2 4 2; 1 2 1' --normalize
  fastconv apply cells.tif -o relief.tif sobel:1 --dtype float32

A stack of pages is filtered page by page.  Pixels keep the dtype of their file; values are rounded once, at the end.
EXIF, ICC profile and resolution are kept; a picture that EXIF says is turned is turned upright.
Writing is safe: the old file stays whole until the new one is complete."""


def _quality(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"must be an integer from 1 to 100; got {text!r}")
    return int(text)


def parser() -> Parser:
    p = Parser(
        prog="fastconv apply",
        usage="fastconv apply IN... -o OUT FILTER... [options]",
        description="Filter image files; filters work one after the other, left to right.\n\n" + names.listing(),
        epilog=_EXAMPLES,
    )
    p.add_argument("words", nargs="*", metavar="IN, FILTER", help="image files or folders of them; filters")
    p.add_argument("-o", "--output", metavar="OUT", help="file to write; for several IN a folder (made if missing)")
    p.add_argument("-f", "--overwrite", action="store_true", help="let OUT be one of the IN files")
    p.add_argument("--normalize", action="store_true", help="divide a kernel's taps by their sum")
    add_filter_options(p)
    group = p.add_argument_group("storing")
    group.add_argument("--dtype", choices=DTYPES, help="samples of OUT (default same: those of IN)")
    group.add_argument(
        "--signed",
        choices=("abs", "mid", "clip"),
        help="negative values in a file of unsigned integers: abs (default for derivatives), mid (zero is mid-grey), "
        "clip (default for the others)",
    )
    group.add_argument("--scale", type=float, default=1.0, metavar="X", help="multiply the result before it is stored")
    group.add_argument("--quality", type=_quality, metavar="Q", default=95, help="of JPEG files, 1 to 100 (default 95)")
    p.add_argument("--max-pixels", type=positive, metavar="N", help="refuse larger pictures (default 178956970)")
    p.add_argument("--workers", type=positive, metavar="N", help="most threads to use (default: all)")
    p.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    return p


def _split_at_output(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command line before -o OUT, and what follows it (-o OUT included in the first)."""
    for i, word in enumerate(words):
        if word == "--":
            break
        if word in ("-o", "--output"):
            return list(words[: i + 2]), list(words[i + 2 :])
        if word.startswith(("--output=", "-o")):
            return list(words[: i + 1]), list(words[i + 1 :])
    return list(words), []


def parsed(words: Sequence[str]) -> tuple[argparse.Namespace, list[str], list[str]]:
    """Options, IN words and FILTER words.

    >>> parsed(["a.png", "b.png", "-o", "out/", "gaussian:2", "sobel"])[1:]
    (['a.png', 'b.png'], ['gaussian:2', 'sobel'])
    >>> parsed(["a.png", "gaussian:2", "--mode", "wrap", "-o", "b.png"])[1:]
    (['a.png'], ['gaussian:2'])
    """
    p = parser()
    before, after = _split_at_output(words)
    given = p.parse_intermixed_args(before)
    first = given.words
    if after:
        output = given.output
        del given.words
        given = p.parse_intermixed_args(after, given)
        if given.output != output:
            raise UsageError("-o OUT must be given once")
        second = given.words
    else:
        second = []
    if given.output is None:
        raise UsageError("where to? give -o OUT (fastconv apply --help says more)")
    if second:
        inputs, filters = first, second
    else:  # -o OUT stands last: filters are told from files by their names
        at = next((i for i, w in enumerate(first) if names.is_filter(w) and not Path(w).exists()), len(first))
        inputs, filters = first[:at], first[at:]
        if not filters:
            lost = [w for w in first[1:] if not Path(w).exists()]
            if lost:
                names.check(lost[0])
            raise UsageError("which filter? give at least one, as gaussian:2, after -o OUT")
    for word in filters:
        names.check(word)
    if not inputs:
        raise UsageError("which files? give at least one IN before -o OUT")
    return given, inputs, filters


def _inputs(words: Sequence[str]) -> list[Path]:
    """The files that IN words name, folders opened."""
    from fastconv.files import READABLE

    found: list[Path] = []
    for word in words:
        path = Path(word)
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(f for f in path.iterdir() if f.is_file() and f.suffix.lower() in READABLE and f.name[0] != ".")
        if not inside:
            raise UsageError(f"{path}: there are no image files in this folder")
        found.extend(inside)
    return found


def _targets(inputs: Sequence[Path], output: str, folder: bool, overwrite: bool) -> list[Path]:
    """Where each input's result goes; every reason not to begin is an error here."""
    from fastconv.files import WRITABLE

    if not folder:
        targets = [Path(output)]
    else:
        targets = [Path(output) / (f.name if f.suffix.lower() in WRITABLE else f"{f.stem}.png") for f in inputs]
        for target in targets:
            if targets.count(target) > 1:
                raise UsageError(f"{target}: several inputs would be written to this one file")
    if not overwrite:
        sources = {f.resolve() for f in inputs}
        for target in targets:
            if target.resolve() in sources:
                raise UsageError(f"{target}: is an input too; --overwrite allows that")
    return targets


class _Counter:
    """A line on a terminal that says how far we are; nothing anywhere else."""

    def __init__(self, total: int, quiet: bool) -> None:
        self._total = total
        self._shown = not quiet and total > 1 and sys.stderr.isatty()

    def show(self, done: int, name: str) -> None:
        if self._shown:
            print(f"\r\x1b[K[{done + 1}/{self._total}] {name[:60]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _dtype(wanted: str | None, own: np.dtype) -> np.dtype:
    import numpy as np

    return own.newbyteorder("=") if wanted in (None, "same") else np.dtype(wanted)


def _one(source: Path, target: Path, steps: Sequence[Step], given: Any) -> str:
    """Read, filter and write one file; returns what is to be said about it."""
    from fastconv import files

    from .chain import filtered, stored

    limit = {} if given.max_pixels is None else {"max_pixels": given.max_pixels}
    files.check_target(target)
    picture = files.read(source, **limit)
    dtype = _dtype(given.dtype, picture.pixels.dtype)
    files.check_target(target, picture, dtype)
    try:
        result = filtered(picture, steps, given.workers)
    except (ValueError, TypeError) as error:
        raise files.FileError(f"{source}: {error}") from None
    done, said = stored(picture, result, dtype, given.signed, given.scale)
    said += files.write(target, done, quality=given.quality)
    how = ", ".join(f"{step.text} ({method})" for step, method in zip(steps, result.methods, strict=True))
    took = f"{1e3 * result.seconds:.1f} ms"
    if result.readied >= 1e-3:
        took += f" ({1e3 * result.readied:.0f} of them making loops ready)"
    parts = [f"{source} -> {target}: {how}", str(picture), took, *picture.notes, *said]
    return "; ".join(parts)


def run(name: str, words: Sequence[str]) -> int:
    """The whole command; returns its exit status."""
    given, in_words, filter_words = parsed(words)
    inputs = _inputs(in_words)
    folder = given.output.endswith(("/", os.sep)) or Path(given.output).is_dir()
    if not folder and (len(inputs) > 1 or any(Path(w).is_dir() for w in in_words)):
        raise UsageError(f"{given.output}: several pictures need a folder: end OUT in /")
    targets = _targets(inputs, given.output, folder, given.overwrite)
    if not folder:
        from fastconv.files import check_target

        check_target(targets[0])
    from .chain import chain

    steps = chain(filter_words, filter_options(given), given.normalize)
    made = folder and not Path(given.output).exists()
    if folder:
        Path(given.output).mkdir(parents=True, exist_ok=True)
    try:
        failed = _all(inputs, targets, steps, given)
    finally:
        if made:
            with suppress(OSError):  # it holds results: it stays
                Path(given.output).rmdir()
    return 0 if not failed else 2 if failed == len(inputs) else 1


def _all(inputs: Sequence[Path], targets: Sequence[Path], steps: Sequence[Step], given: Any) -> int:
    """Every file in turn; returns how many failed."""
    from . import complain

    counter, failed = _Counter(len(inputs), given.quiet), 0
    for i, (source, target) in enumerate(zip(inputs, targets, strict=True)):
        counter.show(i, source.name)
        try:
            line = _one(source, target, steps, given)
        except BrokenPipeError:
            raise
        except (ValueError, TypeError, OSError, MemoryError) as error:
            counter.clear()
            complain(error, source)
            failed += 1
            continue
        counter.clear()
        if not given.quiet:
            print(line, flush=True)
    return failed
