"""``fastconv info``, ``warmup`` and ``cache``: the machine, and the loops compiled for it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from .arguments import Parser

__all__ = ["run"]


def _parser(name: str, description: str) -> Parser:
    return Parser(prog=f"fastconv {name}", usage=f"fastconv {name} [options]", description=description)


def _lines(values: Mapping[str, Any], indent: str = "") -> list[str]:
    width = max((len(str(k)) for k in values), default=0)
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}", *_lines(value, indent + "  ")]
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            lines.append(f"{indent}{key!s:{width}}  {shown}")
    return lines


def _show(value: Any) -> None:
    print("\n".join(_lines(value)) if isinstance(value, Mapping) else value)


def _info(words: Sequence[str]) -> None:
    _parser("info", "Versions, processor, threads, caches.").parse_args(words)
    import fastconv as fc

    _show(fc.info())


def _warmup(words: Sequence[str]) -> None:
    _parser("warmup", "Compile the common loops now and keep them, so that first calls are quick.").parse_args(words)
    import fastconv as fc

    start = time.perf_counter()
    said = fc.warmup()
    if said is not None:
        _show(said)
    print(f"ready after {time.perf_counter() - start:.1f} s")


def _cache(words: Sequence[str]) -> None:
    p = _parser("cache", "Where compiled loops are kept.")
    p.add_argument("--clear", action="store_true", help="remove them; they are compiled again when needed")
    given = p.parse_args(words)
    from fastconv.loops import jit

    print(f"directory  {jit.cache_directory() or 'none: loops are compiled anew in every process'}")
    if given.clear:
        removed = jit.clear_cache()
        print("cleared" if removed is None else f"cleared    {removed}")
    else:
        _show(jit.stats())


def run(name: str, words: Sequence[str]) -> int:
    """One of the three commands."""
    {"info": _info, "warmup": _warmup, "cache": _cache}[name](words)
    return 0
