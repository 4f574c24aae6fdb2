"""Compiled loops: one function for each set of types, and a cache on disk that is right or not used."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastconv.loops import cache, jit


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test starts cold, in a home of its own."""
    for name in ("FASTCONV_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(jit.config, "CACHE_DIR", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_told", False)
    return tmp_path / "cache"


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


# in this process -------------------------------------------------------------------------------------------------
GAIN = 2


@jit.helper
def gained(value):  # type: ignore[no-untyped-def]
    return value * GAIN


def _gain(image, out):  # type: ignore[no-untyped-def]
    """Doubles."""
    for i in range(image.size):
        out[i] = gained(image[i])


def _divide(a, b, out):  # type: ignore[no-untyped-def]
    for i in range(out.size):
        out[i] = a[i] / b[i]


def _sum(values, out):  # type: ignore[no-untyped-def]
    total = values.dtype.type(0)
    for value in values:
        total += value
    out[0] = total


def _filled(token, out):  # type: ignore[no-untyped-def]
    for i in range(out.size):
        out[i] = token(1.75)


def test_one_function_for_each_set_of_types() -> None:
    loop = jit.loop(_gain)
    assert loop.__doc__ == "Doubles."
    assert "_gain" in repr(loop)
    before = jit.stats()
    image = np.array([1.5, -2.0, 3.0])
    out = np.empty(3)
    loop(image, out)
    assert out.tolist() == [3.0, -4.0, 6.0]
    again = loop.compiled(image + 1, np.zeros(3))
    assert again is loop.compiled(image, out)
    others = [
        (image.astype(np.float32), out),
        (image, out.astype(np.float32)),
        (image[::2], out),
        (_read_only(image), out),
    ]
    found = [loop.compiled(*arguments) for arguments in others]
    assert len({id(code) for code in [again, *found]}) == 5
    assert len({code.__qualname__ for code in [again, *found]}) == 5
    assert all(len(code.signatures) == 1 for code in found)
    after = jit.stats()
    assert after["specialisations"] - before["specialisations"] == 5
    assert after["misses"] - before["misses"] == 5
    assert after["seconds"] > before["seconds"]
    with pytest.raises(TypeError, match="No matching definition"):  # no compiling behind the caller's back
        again(image.astype(np.complex64), out)


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def test_dtypes_as_arguments() -> None:
    loop = jit.loop(_filled)
    out = np.empty(2)
    loop(np.int64, out)
    assert out.tolist() == [1, 1]
    loop(np.float32, out)
    assert out.tolist() == [1.75, 1.75]
    assert loop.compiled(np.int64, out) is loop.compiled(np.int64, np.ones(5))
    assert loop.compiled(np.int64, out) is not loop.compiled(np.float32, out)


def test_loops_divide_as_numpy_does_and_keep_nan_and_infinity() -> None:
    loop = jit.loop(fastmath={"contract", "reassoc", "nsz", "arcp", "afn"})(_divide)
    a = np.array([1.0, -1.0, 0.0, np.nan, np.inf])
    out = np.empty(5)
    loop(a, np.array([0.0, 0.0, 0.0, 1.0, 2.0]), out)
    np.testing.assert_array_equal(out, [np.inf, -np.inf, np.nan, np.nan, np.inf])


def test_options_are_part_of_the_key(own_cache: Path) -> None:
    values, out = np.ones(4, np.float32), np.empty(1)
    for options in ((), {"reassoc"}, "reassoc", {"reassoc", "contract"}):
        jit.loop(fastmath=options)(_sum)(values, out)
        assert out[0] == 4
    assert len(_files(own_cache)) == 3


@pytest.mark.parametrize("flags", [{"nnan"}, {"ninf", "contract"}, "fast", {"fast"}])
def test_flags_that_break_nan_and_infinity_are_refused(flags: Any) -> None:
    with pytest.raises(ValueError, match="fastmath must be a set of afn, arcp, contract, nsz, reassoc"):
        jit.loop(fastmath=flags)(_sum)


def test_closures_are_refused() -> None:
    outside = 3

    def inner(out):  # type: ignore[no-untyped-def]
        out[0] = outside

    with pytest.raises(TypeError, match="must not be a closure"):
        jit.loop(inner)


def test_a_loop_that_does_not_compile_says_so_each_time() -> None:
    loop = jit.loop(_sum)
    for _ in range(2):
        with pytest.raises(jit.numba.TypingError):
            loop(3, np.empty(1))
    out = np.empty(1)
    loop(np.arange(4.0), out)
    assert out[0] == 6


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "exchanged", "directory"])
def test_damaged_files_are_compiled_anew(own_cache: Path, damage: str) -> None:
    image, taps, out = np.arange(1.0, 5.0), np.arange(4.0, 8.0), np.empty(4)
    jit.loop(_divide)(taps, image, out)
    jit.loop(_sum)(image, out)
    divide, total = _files(own_cache)
    whole = divide.read_bytes()
    if damage == "truncated":
        divide.write_bytes(whole[: len(whole) // 2])
    elif damage == "empty":
        divide.write_bytes(b"")
    elif damage == "flipped":
        divide.write_bytes(whole[:-2000] + bytes([whole[-2000] ^ 1]) + whole[-1999:])
    elif damage == "exchanged":
        shutil.copy(total, divide)
    else:
        divide.unlink()
        divide.mkdir()
    before = jit.stats()
    if damage == "directory":
        with pytest.warns(jit.CacheWarning):
            jit.loop(_divide)(taps, image, out)
    else:
        jit.loop(_divide)(taps, image, out)
        assert len(divide.read_bytes()) == pytest.approx(len(whole), abs=64)
    assert out.tolist() == [4.0, 2.5, 2.0, 1.75]
    assert jit.stats()["misses"] == before["misses"] + 1
    if damage != "directory":
        jit.loop(_divide)(taps, image, out)
        assert jit.stats()["hits"] == before["hits"] + 1


def test_a_payload_that_numba_cannot_read_is_compiled_anew(own_cache: Path) -> None:
    values, out = np.arange(4.0), np.empty(1)
    jit.loop(_sum)(values, out)
    (file,) = _files(own_cache)
    content = file.read_bytes()
    start = len(cache._MAGIC) + 32
    key = content[start + 4 :][: int.from_bytes(content[start : start + 4], "little")]
    file.write_bytes(cache._packed(b"not a pickle", key))
    before = jit.stats()
    out[:] = 0
    jit.loop(_sum)(values, out)
    assert out[0] == 6
    assert jit.stats()["misses"] == before["misses"] + 1


def test_a_read_only_folder_is_read_without_a_word(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    values, out = np.arange(4.0), np.empty(1)
    jit.loop(_sum)(values, out)
    for name in ("mkdir", "write_bytes", "replace", "unlink"):  # chmod would not stop the superuser
        monkeypatch.setattr(Path, name, refuse)
    before = jit.stats()
    jit.loop(_sum)(values, out)
    assert jit.stats()["hits"] == before["hits"] + 1
    with pytest.warns(jit.CacheWarning, match="Permission denied"):
        jit.loop(_sum)(values[::2], out)
    assert out[0] == 2
    assert jit.stats()["misses"] == before["misses"] + 1


def test_a_full_disk_leaves_no_part_of_a_file(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    values, out = np.arange(4.0), np.empty(1)
    with pytest.warns(jit.CacheWarning, match="No space left"):
        jit.loop(_sum)(values, out)
    jit.loop(_gain)(values, np.empty(4))  # said once
    assert out[0] == 6
    assert _files(own_cache) == []


def test_what_is_in_memory_counts_not_only_what_is_on_disk(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    """Constants of modules outside this room, and files edited after they were imported."""
    image, out = np.array([1.0, 2.0]), np.empty(2)
    first = cache.dependencies(_gain)
    assert cache.dependencies(_gain) == first
    jit.loop(_gain)(image, out)
    monkeypatch.setitem(globals(), "GAIN", 7)
    monkeypatch.setitem(globals(), "gained", jit.helper(gained.py_func))
    assert cache.dependencies(_gain) != first
    jit.loop(_gain)(image, out)
    assert out.tolist() == [7.0, 14.0]
    assert len(_files(own_cache)) == 2


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCONV_CACHE_DIR", str(tmp_path / "mine"))
    monkeypatch.setattr(jit.config, "CACHE_DIR", str(tmp_path / "numba"))
    assert jit.cache_directory() == tmp_path / "mine"
    monkeypatch.setenv("FASTCONV_CACHE_DIR", "~/mine")
    assert jit.cache_directory() == tmp_path / "mine"
    monkeypatch.setenv("FASTCONV_CACHE_DIR", "")
    assert jit.cache_directory() == tmp_path / "numba" / "fastconv"
    monkeypatch.setattr(jit.config, "CACHE_DIR", "")
    monkeypatch.setattr(sys, "platform", "linux")
    assert jit.cache_directory() == tmp_path / ".cache" / "fastconv"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert jit.cache_directory() == tmp_path / "xdg" / "fastconv"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert jit.cache_directory() == tmp_path / ".cache" / "fastconv"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert jit.cache_directory() == tmp_path / "Library" / "Caches" / "fastconv"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert jit.cache_directory() == tmp_path / "local" / "fastconv"


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("FASTCONV_CACHE_DIR")
    monkeypatch.setattr(Path, "home", homeless)
    assert jit.cache_directory().name == "fastconv"


def test_clearing_removes_our_files_only(own_cache: Path) -> None:
    assert jit.clear_cache() == (0, 0)
    jit.loop(_sum)(np.arange(4.0), np.empty(1))
    (file,) = _files(own_cache)
    left_over = own_cache / (file.name + ".0123456789ab")  # of a process that was killed while writing
    left_over.write_bytes(b"12345")
    (own_cache / "notes.txt").write_text("not ours")
    size = file.stat().st_size
    assert jit.clear_cache() == (2, size + 5)
    assert [path.name for path in _files(own_cache)] == ["notes.txt"]


def test_without_sources_nothing_is_kept(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_files", dict)
    out = np.empty(1)
    with pytest.warns(jit.CacheWarning, match="sources cannot be read"):
        jit.loop(_sum)(np.arange(4.0), out)
    assert out[0] == 6
    assert not own_cache.exists()


def test_with_the_compiler_off_loops_are_plain_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit.config, "DISABLE_JIT", 1)
    out = np.empty(1)
    loop = jit.loop(_sum)
    loop(np.arange(4.0), out)
    assert out[0] == 6
    assert loop.compiled(np.arange(4.0), out) is _sum
