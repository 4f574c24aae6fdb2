"""SciPy's names, and whoever holds them, turned over and back."""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from .calls import NAMES, Serving

__all__ = ["NAMES", "drop", "push"]

_lock = threading.RLock()
_on: list[Serving] = []
#: SciPy's function -> what stands in for it, while any acceleration is on
_stand_ins: dict[Callable[..., Any], Callable[..., Any]] = {}


def push(serving: Serving) -> None:
    """Make ``serving`` the newest that is on."""
    with _lock:
        _on.append(serving)
        if not _stand_ins:
            for module in ("scipy.ndimage", "scipy.ndimage._filters"):
                held = vars(importlib.import_module(module))
                for name in NAMES:
                    if name in held and held[name] not in _stand_ins:
                        _stand_ins[held[name]] = _stand_in(name, held[name])
        _replace(_stand_ins)


def drop(serving: Serving) -> None:
    """Take one away; with the last, everyone holds SciPy's functions again."""
    with _lock:
        _on.remove(serving)
        if not _on:
            _replace({new: old for old, new in _stand_ins.items()})
            _stand_ins.clear()


def _stand_in(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stand_in(*args: Any, **options: Any) -> Any:
        try:
            serving = _on[-1]
        except IndexError:  # kept by someone beyond the end of the acceleration
            return original(*args, **options)
        return serving.call(name, original, args, options)

    return stand_in


def _replace(names: dict[Callable[..., Any], Callable[..., Any]]) -> None:
    """In every module that is loaded, each function that is a key of ``names`` by its value."""
    by_id = {id(old): new for old, new in names.items()}
    for title, module in list(sys.modules.items()):
        held = getattr(module, "__dict__", None)
        if not isinstance(held, dict) or title.partition(".")[0] == "fastconv":
            continue
        for key, value in list(held.items()):
            new = by_id.get(id(value))
            if new is not None:
                held[key] = new
