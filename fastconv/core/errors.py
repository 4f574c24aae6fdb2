"""One way of saying that an argument is wrong: its name, what came, what is allowed."""

from __future__ import annotations

from typing import Any

__all__ = ["bad_type", "bad_value", "shown"]


def shown(value: Any, limit: int = 60) -> str:
    """A short text for a value in an error message: arrays by dtype and shape, the rest by repr."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and shape and dtype is not None:
        return f"an array of {dtype} with shape {tuple(shape)}"
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def bad_value(name: str, came: Any, allowed: str) -> ValueError:
    """The ValueError for argument ``name``; ``allowed`` completes "... must be ..."."""
    return ValueError(f"{name} must be {allowed}; got {shown(came)}")


def bad_type(name: str, came: Any, allowed: str) -> TypeError:
    """The TypeError for argument ``name``; ``allowed`` completes "... must be ..."."""
    return TypeError(f"{name} must be {allowed}; got {type(came).__name__} ({shown(came)})")
