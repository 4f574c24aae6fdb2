"""Compiled loops on disk: what their machine code depends on, and one checked file for each of them.

The key of a file spells out everything that shapes the code: function, types, options, compiler, processor, and all
source files of this room that the function's own file may reach.  The file's name is its hash, so processes that
start together can only ever write the same thing, and an edit of such a source, another option, another processor or
another compiler is another file.  A file is written whole under a name of its own and renamed; it carries its key and
a checksum, and one that is not whole is compiled anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import platform
import re
import sys
import types
import uuid
import warnings
from pathlib import Path

import llvmlite
import numba
import numpy as np
from llvmlite import binding
from numba.core import compiler, config
from numba.core.caching import NullCache
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps

__all__ = [
    "CacheWarning",
    "LoopFile",
    "cache_directory",
    "cache_size",
    "clear_cache",
    "dependencies",
    "machine",
    "sources",
    "tell",
]

_MAGIC = b"fastconv loop 1\n"
_SUFFIX = ".loop"


class CacheWarning(RuntimeWarning):
    """Compiled loops could not be kept on disk: results are right, but each new process compiles again."""


# where -----------------------------------------------------------------------------------------------------------
def cache_directory():
    """Where compiled loops are kept: a `pathlib.Path`, which need not exist yet.

    FASTCONV_CACHE_DIR, else a folder ``fastconv`` in NUMBA_CACHE_DIR, else one in the user's cache directory.
    """
    ours = os.environ.get("FASTCONV_CACHE_DIR")
    if ours:
        return Path(os.path.expanduser(ours)).absolute()  # noqa: PTH111  (Path's raises where nobody has a home)
    if config.CACHE_DIR:
        return Path(config.CACHE_DIR).absolute() / "fastconv"
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home: a place that is not writable either, and the warning names it
        home = Path("/")
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "")
        if not base.is_absolute():  # the XDG standard has relative ones ignored
            base = home / ".cache"
    return base / "fastconv"


def cache_size():
    """The number of compiled loops kept in `cache_directory`, and their bytes."""
    return _each_file(lambda file: None)


def clear_cache():
    """Remove every compiled loop from `cache_directory`; the number of files removed, and their bytes."""
    return _each_file(Path.unlink)


def _each_file(action):
    files = size = 0
    try:
        found = [file for file in cache_directory().iterdir() if _SUFFIX in file.suffixes]
    except OSError:
        return 0, 0
    for file in found:
        with contextlib.suppress(OSError):
            length = file.stat().st_size
            action(file)
            files += 1
            size += length
    return files, size


# what machine code depends on ------------------------------------------------------------------------------------
@functools.cache
def _files():
    """Every source file of this room by its module's name, read once; nothing where they cannot be read."""
    try:
        return {file.stem: file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py"))}
    except OSError:
        return {}


@functools.cache
def sources(module):
    """One hash of the room's source files that a module may reach, itself among them; None where none can be read.

    A file reaches those whose names stand in it as words: never fewer than it imports.  A module of another room may
    reach all of them.
    """
    files = _files()
    room, _, name = module.rpartition(".")
    reached = set() if room == __package__ and name in files else set(files)
    found = [name] if not reached else []
    while found:
        name = found.pop()
        reached.add(name)
        words = set(re.findall(rb"\w+", files[name]))
        found += [other for other in files if other not in reached and other.encode() in words]
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(reached):
        digest.update(name.encode() + b"\0" + files[name] + b"\0")
    return digest.hexdigest() if reached else None


@functools.cache
def machine():
    """Compiler, interpreter and processor, as they are and as the environment tells Numba to see them."""
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    host = binding.get_host_cpu_features().flatten()
    switches = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "ENABLE_AVX", "DEBUGINFO_DEFAULT")
    return "\n".join(
        (
            f"numba {numba.__version__} llvmlite {llvmlite.__version__} numpy {np.__version__}",
            f"{sys.implementation.cache_tag} {getattr(sys, 'abiflags', '')} {platform.machine()}",
            f"{triple} {name} {hashlib.blake2b(f'{features} {host}'.encode(), digest_size=8).hexdigest()}",
            f"host {binding.get_host_cpu_name()}",
            *(f"{switch} {getattr(config, switch, None)}" for switch in switches),
        )
    )


def dependencies(function):
    """A hash of what a function says as it is in memory: its instructions and constants, and all that it reaches.

    The sources' hash alone would not do: a file may have been edited since it was imported, and loops may use
    functions and constants of other rooms.
    """
    digest = hashlib.blake2b(digest_size=16)
    for text in _texts(function, set()):
        digest.update(text.encode(errors="surrogatepass") + b"\n")
    return digest.hexdigest()


def _texts(value, seen):
    if isinstance(value, types.ModuleType):
        yield value.__name__
        return
    if not isinstance(value, type):
        # dispatchers, intrinsics, loops and cached functions wrap a plain one
        for attribute in ("py_func", "_defn", "__wrapped__"):
            value = getattr(value, attribute, None) or value
    if isinstance(value, (types.FunctionType, type)):
        yield f"{value.__module__}.{value.__qualname__}"
        # other packages count by their versions
        foreign = (value.__module__ or "").partition(".")[0] in ("builtins", "llvmlite", "numba", "numpy", "scipy")
        if id(value) in seen or foreign:
            return
        seen.add(id(value))
        yield from _texts_of_type(value, seen) if isinstance(value, type) else _texts_of_function(value, seen)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape} {hashlib.blake2b(value.tobytes()).hexdigest()}"
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _texts(item, seen)
        yield f"{type(value).__name__} of {len(value)}"
    elif isinstance(value, frozenset):  # its order changes from process to process
        yield from sorted(map(repr, value))
    elif isinstance(value, (int, float, complex, str, bytes, np.generic, np.dtype, numba.types.Type)):
        yield repr(value)
    else:
        yield type(value).__qualname__


def _texts_of_type(value, seen):
    for name, member in vars(value).items():
        if isinstance(member, (types.FunctionType, staticmethod, classmethod, property)):
            yield name
            yield from _texts(getattr(member, "fget", member), seen)


def _texts_of_function(value, seen):
    yield from _texts(value.__defaults__ or (), seen)
    for cell in value.__closure__ or ():
        yield from _texts(cell.cell_contents, seen)
    for code in _codes(value.__code__):
        yield f"{code.co_name} {code.co_code.hex()} {code.co_names} {code.co_varnames}"
        for const in code.co_consts:
            if not isinstance(const, types.CodeType):
                yield from _texts(const, seen)
        for name in code.co_names:
            if name in value.__globals__:
                yield name
                yield from _texts(value.__globals__[name], seen)


def _codes(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _codes(const)


# one file --------------------------------------------------------------------------------------------------------
class LoopFile(NullCache):
    """The cache of one specialisation, in the shape of Numba's: looked for by its dispatcher before it compiles."""

    def __init__(self, name, key):
        self._file = name + _SUFFIX
        self._key = key.encode()
        self.hit = False
        self.problem = None  # why the code could not be kept
        # an address in the key (of a function passed as an argument, say) means another thing in another process
        self._enabled = re.search(r"\b0x[0-9a-f]{6}", key) is None

    @property
    def cache_path(self):
        return str(cache_directory())

    def load_overload(self, sig, target_context):
        if not self._enabled:
            return None
        try:
            payload = _unpacked((cache_directory() / self._file).read_bytes(), self._key)
            if payload is None:
                return None
            _get_ready(target_context)
            result = compiler.CompileResult._rebuild(target_context, *pickle.loads(payload))
        except Exception:  # absent, unreadable, or not what this Numba expects: compile anew
            return None
        self.hit = True
        return result

    def save_overload(self, sig, data):
        if not self._enabled or data.library.has_dynamic_globals:  # addresses of this process are compiled in
            return
        if not _files():
            self.problem = "the package's sources cannot be read, so that a change in them would go unseen"
            return
        try:
            _write(cache_directory(), self._file, _packed(dumps(data._reduce()), self._key))
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"


def _get_ready(target_context):
    """What loaded code needs of Numba: its runtime, and not the tables that only compiling reads.

    Filling those takes a quarter of a second, half of it to import scipy.linalg: more than all else that a new
    process does before its first result.  They are filled when something is compiled.
    """
    try:
        rtsys.initialize(target_context)
    except Exception:  # not as this Numba would have it
        target_context.refresh()


def _packed(payload, key):
    body = len(key).to_bytes(4, "little") + key + payload
    return _MAGIC + hashlib.blake2b(body, digest_size=32).digest() + body


def _unpacked(content, key):
    """The payload of a file, or None where it is not whole or not the one that was asked for."""
    magic, checksum, body = content[: len(_MAGIC)], content[len(_MAGIC) :][:32], content[len(_MAGIC) + 32 :]
    if magic != _MAGIC or checksum != hashlib.blake2b(body, digest_size=32).digest():
        return None
    start = 4 + int.from_bytes(body[:4], "little")
    return body[start:] if body[4:start] == key else None


def _write(folder, name, content):
    """Write a file under another name and rename it: no reader ever sees a part of it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = folder / f"{name}.{uuid.uuid4().hex[:12]}"
    try:
        temporary.write_bytes(content)
        temporary.replace(folder / name)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        # Windows refuses to replace a file that another process is reading: then it is there
        if not (isinstance(error, PermissionError) and os.name == "nt" and (folder / name).exists()):
            raise


_told = False


def tell(problem):
    """Say, once a process, that loops will be compiled in every process anew."""
    global _told
    if problem and not _told:
        _told = True
        text = f"compiled loops cannot be kept in {cache_directory()} ({problem}): every process compiles them anew; "
        warnings.warn(text + "set FASTCONV_CACHE_DIR to a folder that can be written", CacheWarning, stacklevel=4)
