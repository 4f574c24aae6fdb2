"""The only file that spells njit and compiler flags.

A `loop` is compiled once for each set of argument types: eagerly, as a function object of its own with one
signature, under a name that carries everything its machine code depends on, and kept on disk in a file of that name
(`cache`).  Numba's own cache keys by file and signature alone, and keeps an index that processes overwrite for each
other: started cold together they were seen to leave code behind that gave wrong numbers.

Compiling happens on the thread that asks, one at a time: fetch what you need with `Loop.compiled` or `Loop.address`
before handing out tasks, so that a task takes milliseconds and Ctrl-C is heard.

Flags: loops release the interpreter's lock, divide as NumPy does, check no bounds, and use no fast-math unless they
name the liberties they take; the two that change what NaN and infinity do are refused.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import threading
import time
from types import FunctionType

import numba
import numpy as np
from numba import njit, typeof
from numba.core import config, types
from numba.np.numpy_support import as_dtype

from .cache import (
    CacheWarning,
    LoopFile,
    cache_directory,
    cache_size,
    clear_cache,
    dependencies,
    machine,
    sources,
    tell,
)

try:
    from numba._dispatcher import compute_fingerprint
except ImportError:  # a private name of Numba's: without it a look-up takes longer

    def compute_fingerprint(value):
        raise NotImplementedError


__all__ = [
    "CacheWarning",
    "Loop",
    "cache_directory",
    "cache_size",
    "clear_cache",
    "held_lock",
    "helper",
    "loop",
    "machine_call",
    "stats",
]

_FLAGS = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
#: the liberties of fast-math that leave NaN and infinity alone
_FASTMATH = frozenset({"nsz", "arcp", "contract", "afn", "reassoc"})

#: for small functions that loops call: always inlined by the compiler, reached as globals of the loop's module
helper = njit(forceinline=True, **_FLAGS)


class Loop:
    """A function compiled once for each set of argument types that it is asked for.

    It reaches helpers, intrinsics and constants as globals of its module; a closure is refused: what varies comes in
    as an argument, or as a constant of `address`.
    """

    def __init__(self, function, fastmath=()):
        liberties = frozenset([fastmath] if isinstance(fastmath, str) else fastmath)
        if not liberties <= _FASTMATH:
            raise ValueError(f"fastmath must be a set of {', '.join(sorted(_FASTMATH))}; got {fastmath!r}")
        if function.__closure__:
            raise TypeError(f"a loop must not be a closure; {function.__qualname__} is one")
        functools.update_wrapper(self, function)
        self._fastmath = liberties
        self._found = {}

    def __repr__(self):
        return f"<loop {self.__module__}.{self.__qualname__}>"

    def __call__(self, *args):
        return self.compiled(*args)(*args)

    def compiled(self, *samples):
        """The machine code for arguments of these types, as a callable; about a microsecond where it exists."""
        try:
            key = compute_fingerprint(samples)
        except NotImplementedError:
            key = tuple(_type_key(sample) for sample in samples)
        return self._found.get(key) or self._find(key, lambda: tuple(typeof(sample) for sample in samples), {})

    def address(self, **constants):
        """The address of the machine code of this function of int64 arguments without a result.

        ``constants`` (numbers, dtypes, Nones, tuples of them) stand in for the module's globals of the same names and
        are compiled in.  A driver that calls such functions through their addresses need not be compiled for each.
        """
        key = ("address", repr(sorted(constants.items())) if constants else "")
        found = self._found.get(key)
        if found is None:
            signature = numba.void(*[numba.int64] * self.__wrapped__.__code__.co_argcount)
            dispatcher = self._find(("void", key), lambda: signature, constants)
            (result,) = dispatcher.overloads.values()  # held by _found: the code lives as long as its dispatcher
            found = self._found[key] = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
        return found

    def _find(self, key, signature_of, constants):
        with _lock:
            found = self._found.get(key)
            if found is not None:
                return found
            signature = signature_of()
            # several keys may mean the same types: they share one function
            found = None if constants else self._found.get(signature)
            problem = None
            if found is None:
                found, problem = self._compile(signature, constants)
            self._found[key] = found
            if not constants:
                self._found[signature] = found
        tell(problem)
        return found

    def _compile(self, signature, constants):
        function = self.__wrapped__
        if config.DISABLE_JIT:
            return function, None
        key = "\n".join(
            (
                f"{self.__module__}.{self.__qualname__} {signature}",
                *(f"{name} = {value!r}" for name, value in sorted(constants.items())),
                f"flags {_FLAGS} fastmath {sorted(self._fastmath)}",
                f"reaches {self._dependencies}",
                f"sources {sources(self.__module__)}",
                machine(),
            )
        )
        # everything that the code depends on is in its symbol's name: two loops can never be taken for each other
        digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        name = f"{re.sub('[^A-Za-z0-9_]', '', function.__name__)[:40]}_{digest}"
        scope = {**function.__globals__, **constants} if constants else function.__globals__
        copy = FunctionType(function.__code__, scope, function.__name__, function.__defaults__)
        copy.__module__, copy.__qualname__ = function.__module__, name
        dispatcher = njit(fastmath=set(self._fastmath) or False, **_FLAGS)(copy)
        file = dispatcher._cache = LoopFile(name, key)
        began = time.perf_counter()
        try:
            dispatcher.compile(signature)
        finally:
            _stats["seconds"] += time.perf_counter() - began
        dispatcher.disable_compile()
        _stats["specialisations"] += 1
        _stats["hits" if file.hit else "misses"] += 1
        return dispatcher, file.problem

    @functools.cached_property
    def _dependencies(self):
        return dependencies(self.__wrapped__)


def machine_call(compiled):
    """Of what `Loop.compiled` gives: the address of its code, the arguments' kinds, and their dtypes.

    Kinds are "i", "f" or "d" for an integer, a float32 or a float64, and the number of dimensions of an array that is
    C-contiguous; an array's dtype stands in a tuple, as often as it has dimensions.

    Its result must be nothing, and arguments of other types are a TypeError.
    """
    (result,) = compiled.overloads.values()
    kinds, shape = [], []
    for each in result.signature.args:
        if isinstance(each, types.Array) and each.layout == "C":
            kinds.append(str(each.ndim))
            shape.append((as_dtype(each.dtype).type,) * each.ndim)
        elif isinstance(each, types.Integer | types.Float):
            kinds.append("i" if isinstance(each, types.Integer) else "f" if each.bitwidth == 32 else "d")
            shape.append(as_dtype(each).type)
        else:
            raise TypeError(f"arguments must be numbers and contiguous arrays; got {each}")
    address = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    return address, "".join(kinds), tuple(shape)


def held_lock():
    """The address of a new lock of CPython's, held; compiled code may wait for it and release it."""
    api = ctypes.pythonapi
    api.PyThread_allocate_lock.restype = ctypes.c_void_p
    lock = api.PyThread_allocate_lock()
    api.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
    return lock


def loop(function=None, *, fastmath=()):
    """Make a `Loop` of a function: ``@loop``, or ``@loop(fastmath={"contract"})``."""
    if function is None:
        return functools.partial(Loop, fastmath=fastmath)
    return Loop(function, fastmath)


def _type_key(sample):
    """What stands for a sample's type: dtypes themselves (Numba's fingerprint knows none), else `typeof`."""
    if isinstance(sample, (type, np.dtype)):
        return sample
    try:
        return compute_fingerprint((sample,))
    except NotImplementedError:
        return typeof(sample)


def stats():
    """This process so far: ``specialisations`` in memory, cache ``hits`` and ``misses``, ``seconds`` of compiling."""
    return dict(_stats)


_stats = {"specialisations": 0, "hits": 0, "misses": 0, "seconds": 0.0}

# No fork happens while this room compiles: the child would wait for ever for locks, Numba's among them, that are
# held by a thread it does not have.
_lock = threading.RLock()
_FORK_PATIENCE = 30.0  # seconds; after that something else is wrong, and the fork goes on
_held = False


def _before_fork():
    global _held
    _held = _lock.acquire(timeout=_FORK_PATIENCE)


def _after_fork_in_parent():
    if _held:
        _lock.release()


def _after_fork_in_child():
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
