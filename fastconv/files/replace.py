"""A file that is either the old one or the new one, never half of each."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .picture import FileError

__all__ = ["replacing"]


def _check(target: Path) -> int | None:
    """The permissions of the file to be replaced, or None; refuses what a rename would quietly override."""
    try:
        old = target.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(old.st_mode):
        raise FileError(f"{target}: is not a plain file")
    if not os.access(target, os.W_OK):
        raise FileError(f"{target}: is write-protected")
    return stat.S_IMODE(old.st_mode)


def _open(folder: Path, temporary: Path) -> tuple[int, bool]:
    """A new file to write to, and whether it has a name yet."""
    if hasattr(os, "O_TMPFILE") and Path("/proc/self/fd").is_dir():
        # a file without a name: a killed process leaves nothing behind
        with suppress(OSError):
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666), False
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.open(temporary, flags, 0o666), True


def _name(fd: int, folder: Path, temporary: Path) -> None:
    """Give the nameless file its temporary name (a link cannot replace: the rename that follows can)."""
    here = os.open(folder, os.O_RDONLY)
    try:
        # a directory descriptor makes this linkat with AT_SYMLINK_FOLLOW; plain link would link the /proc entry
        os.link(f"/proc/self/fd/{fd}", temporary.name, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=True)
    finally:
        os.close(here)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every system can open or sync a folder; the file itself is safe already
        here = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(here)
        finally:
            os.close(here)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write; it becomes ``path`` when the block ends well, and vanishes when it does not.

    Written beside the target, synced, then renamed over it.  Links are followed and permissions are kept.
    """
    target = path.resolve()
    mode = _check(target)
    folder = target.parent
    temporary = folder / f".{target.name[:100]}.{secrets.token_hex(6)}.tmp"
    try:
        fd, named = _open(folder, temporary)
    except FileNotFoundError:
        raise FileError(f"{path}: there is no folder {folder}") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(fd, "w+b") as stream:
            yield stream
            stream.flush()
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(fd, mode)
            os.fsync(fd)
            if not named:
                _name(fd, folder, temporary)
                named = True
        temporary.replace(target)
    except BaseException:
        if named:
            with suppress(OSError):
                temporary.unlink()
        raise
    _sync_folder(folder)
