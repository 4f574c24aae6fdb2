"""``fastconv info``, ``warmup`` and ``cache``: the machine, and the loops compiled for it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .arguments import Parser

__all__ = ["run"]


def _parser(name: str, description: str) -> Parser:
    return Parser(prog=f"fastconv {name}", usage=f"fastconv {name} [options]", description=description)


def _info(words: Sequence[str]) -> None:
    _parser("info", "Versions, processor, threads, caches.").parse_args(words)
    import fastconv as fc

    print(fc.info())


def _warmup(words: Sequence[str]) -> None:
    _parser("warmup", "Compile the common loops now and keep them, so that first calls are quick.").parse_args(words)
    import fastconv as fc

    start = time.perf_counter()
    print(fc.warmup())
    print(f"ready after {time.perf_counter() - start:.1f} s")


def _cache(words: Sequence[str]) -> None:
    p = _parser("cache", "Where compiled loops are kept.")
    p.add_argument("--clear", action="store_true", help="remove them; they are compiled again when needed")
    given = p.parse_args(words)
    from fastconv.loops import jit

    print(f"directory  {jit.cache_directory()}")
    if given.clear:
        count, size = jit.clear_cache()
        print(f"removed    {count} compiled loops, {size / 1e6:.1f} MB")
    else:
        count, size = jit.cache_size()
        print(f"holds      {count} compiled loops, {size / 1e6:.1f} MB")


def run(name: str, words: Sequence[str]) -> int:
    """One of the three commands."""
    {"info": _info, "warmup": _warmup, "cache": _cache}[name](words)
    return 0
