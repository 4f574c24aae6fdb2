"""The only file that spells njit, compiler flags and caching (first version)."""

from numba import njit, typeof

__all__ = ["Loop", "helper", "loop"]

helper = njit(nogil=True, inline="always")


class Loop:
    """A compiled function, specialised eagerly for the types of the arguments it is asked for."""

    def __init__(self, function):
        self._function = function
        self._compiled = {}

    def compiled(self, *args):
        """The specialisation for the types of these sample arguments: a callable."""
        key = tuple(typeof(a) for a in args)
        found = self._compiled.get(key)
        if found is None:
            found = njit(nogil=True, cache=True)(self._function)
            found.compile(key)
            found.disable_compile()
            self._compiled[key] = found
        return found

    def __call__(self, *args):
        return self.compiled(*args)(*args)


def loop(function):
    return Loop(function)
