"""The ``fastconv`` command: arguments in, public calls, files out.

Each command is a module with `parser` (standard library only, so that ``--help`` is quick) and `run`.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .arguments import Parser, UsageError, nearest

__all__ = ["COMMANDS", "main"]

#: command -> (module, what ``fastconv --help`` says of it)
COMMANDS = {
    "apply": ("apply", "filter image files"),
    "explain": ("explain", "show how a kernel would be computed, and why"),
    "accelerate": ("accelerate", "run a Python program with fastconv's filters in scipy.ndimage's place"),
    "demo": ("demo", "filter photographs, beside scipy.ndimage, and leave pictures to look at"),
    "bench": ("bench", "time filters against other libraries"),
    "info": ("machine", "versions, processor, threads, caches"),
    "warmup": ("machine", "compile the common loops now, so that first calls are quick"),
    "cache": ("machine", "where compiled loops are kept; --clear removes them"),
}

INTERRUPTED = 130  # what shells report for a process stopped by Ctrl-C


def _top() -> Parser:
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items())
    top = Parser(
        prog="fastconv",
        usage="fastconv COMMAND ...",
        description=f"Every kind of 2-D convolution on image files.\n\ncommands:\n{listing}",
        epilog="fastconv COMMAND --help says more, with examples.",
    )
    top.add_argument("--version", action="store_true", help="show the version and stop")
    return top


def _dispatch(words: Sequence[str]) -> int:
    if not words or words[0].startswith("-"):
        top = _top()
        if top.parse_args(words).version:
            from fastconv import __version__

            print(f"fastconv {__version__}")
            return 0
        raise UsageError(f"which command? one of {', '.join(COMMANDS)} (fastconv --help says more)")
    name = words[0]
    if name not in COMMANDS:
        raise UsageError(f"there is no command {name!r}{nearest(name, COMMANDS)}; use one of {', '.join(COMMANDS)}")
    command = importlib.import_module(f".{COMMANDS[name][0]}", __name__)
    return command.run(name, words[1:])


def complain(error: BaseException, source: Path | None = None) -> None:
    """The one line on stderr that an error is worth, which names the ``source`` it came up with."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{os.fsdecode(error.filename)}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = f"not enough memory ({error})" if str(error) else "not enough memory"
    else:
        text = str(error) or type(error).__name__
    if source is not None and source.name not in text:
        text = f"{source}: {text}"
    print(f"fastconv: error: {' '.join(text.split())}", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0 done, 1 some files failed, 2 error, 130 interrupted.

    >>> main(["--version"])  # doctest: +ELLIPSIS
    fastconv ...
    0
    """
    try:
        status = _dispatch(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has gone: nothing more to say, not even when Python closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (UsageError, ValueError, TypeError, OSError, MemoryError, ImportError) as error:
        complain(error)
        return 2
