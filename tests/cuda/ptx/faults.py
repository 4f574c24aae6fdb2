"""The one error that the interpreter raises."""

from __future__ import annotations


class Fault(RuntimeError):
    """The program did what a device forbids, or what the interpreter does not know."""
