"""Row functions: compiled loops over one row, called through their address by the drivers.

A row function takes int64 arguments only (addresses and counts).  Names in CAPITALS are constants of its
specialisation: dtype tokens and tuples of Nones, filled in when it is compiled.  A driver gets the function's
address as a number, so one compiled driver serves every dtype and tap count, and what is compiled adds up
instead of multiplying.
"""

import types as pytypes

from numba import njit, types

__all__ = ["RowFunction", "row_function"]


class RowFunction:
    def __init__(self, function):
        self._function = function
        self._compiled = {}

    def address(self, **constants):
        key = tuple(sorted(constants.items(), key=lambda kv: kv[0]))
        found = self._compiled.get(key)
        if found is None:
            f = self._function
            g = dict(f.__globals__)
            g.update(constants)
            copy = pytypes.FunctionType(f.__code__, g, f.__name__)
            copy.__qualname__ = f.__name__ + repr(key)
            sig = types.void(*[types.int64] * f.__code__.co_argcount)
            d = njit(nogil=True)(copy)
            d.compile(sig)
            cres = d.overloads[sig.args]
            found = d, cres.library.get_pointer_to_function(cres.fndesc.llvm_func_name)
            self._compiled[key] = found
        return found[1]


def row_function(function):
    return RowFunction(function)
