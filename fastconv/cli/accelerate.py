"""``fastconv accelerate``: run a Python program with fastconv's filters in scipy.ndimage's place."""

from __future__ import annotations

import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from .arguments import Parser, UsageError

__all__ = ["parser", "run"]

EXAMPLES = """examples:
  fastconv accelerate analyse.py scans/ --threshold 3
  fastconv accelerate --report analyse.py scans/
  fastconv accelerate --fast -m mypackage.pipeline scans/

The program needs no change: scipy.ndimage's filters, and scikit-image's that call them, run on fastconv with the same
bits. --report prints, when the program ends, which calls were served, which fell through to SciPy and why."""


def parser() -> Parser:
    p = Parser(
        prog="fastconv accelerate",
        usage="fastconv accelerate [--report] [--fast] (SCRIPT | -m MODULE) [ARGUMENTS ...]",
        description="Run a Python program with fastconv's filters in scipy.ndimage's place.",
        epilog=EXAMPLES,
    )
    p.add_argument("--report", action="store_true", help="print a table of calls at the end, on stderr")
    p.add_argument(
        "--fast",
        action="store_true",
        help="allow fastconv's own sums for floating-point images: no longer SciPy's bits, but within the bound that "
        "fastconv.accelerate states for exact=False",
    )
    p.add_argument("-m", dest="module", metavar="MODULE", help="run a module, as python -m does")
    return p


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our own options, and the program with its arguments."""
    for i, word in enumerate(words):
        if word == "-m":
            return list(words[: i + 2]), list(words[i + 2 :])
        if not word.startswith("-"):
            return list(words[:i]), list(words[i:])
    return list(words), []


def run(name: str, words: Sequence[str]) -> int:
    """Run the program; its exit status, 1 after an error that it did not catch."""
    own, rest = _split(words)
    given = parser().parse_args(own)
    if given.module is None and not rest:
        raise UsageError("which program? give a script, or -m and a module (fastconv accelerate --help says more)")
    if given.module is None and not Path(rest[0]).exists():
        raise UsageError(f"there is no file {rest[0]}")
    from fastconv.acceleration import accelerate

    on = accelerate(exact=not given.fast)
    on._serving.timed = given.report
    argv, path = sys.argv, list(sys.path)
    try:
        if given.module is not None:
            sys.argv = [given.module, *rest]
            sys.path[0] = str(Path.cwd())
            runpy.run_module(given.module, run_name="__main__", alter_sys=True)
        else:
            sys.argv = rest
            sys.path[0] = str(Path(rest[0]).resolve().parent)
            runpy.run_path(rest[0], run_name="__main__")
    except Exception as error:
        _show(error)
        return 1
    finally:
        sys.argv, sys.path[:] = argv, path
        on.undo()
        if given.report:
            print(on.table(), file=sys.stderr)
    return 0


def _show(error: Exception) -> None:
    """The traceback, from the program's first line on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in (__name__, "runpy"):
        trace = trace.tb_next
    frozen = trace
    while frozen is not None and frozen.tb_frame.f_code.co_filename.startswith("<frozen"):
        frozen = frozen.tb_next
    traceback.print_exception(type(error), error, frozen or trace)
