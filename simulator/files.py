"""Files that are there whole or not at all, and arrays in npz archives that hold nothing else."""

from __future__ import annotations

import contextlib
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from simulator.errors import InputError, UnreadableError

MAX_NPZ_BYTES: Final = 64 * 2**30
"""Largest sum of unpacked arrays read; an archive of zeros is small on disk."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A stream whose content becomes ``path`` when the block ends well, else vanishes.

    Devices and pipes, as /dev/null and /dev/stdout, are written to and not replaced.

    Raises:
        UnreadableError: the place cannot be written to.
    """
    if not path.name or path.is_dir():
        raise UnreadableError("cannot be written: is a directory", location=str(path))
    if is_device(path):
        try:
            with path.open("ab") as stream:
                yield stream
        except OSError as error:
            raise UnreadableError(
                f"cannot be written: {error.strerror or error}", location=str(path)
            ) from None
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        stream = temporary.open("xb")
    except OSError as error:
        raise UnreadableError(
            f"cannot be written: {error.strerror or error}", location=str(path)
        ) from None
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UnreadableError(
            f"cannot be written: {error.strerror or error}", location=str(path)
        ) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_device(path: Path) -> bool:
    """Whether a place is a device, a pipe or, in /dev and /proc, a link to an open file."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    if stat.S_ISREG(mode):
        return path.is_symlink() and path.absolute().parts[1] in ("dev", "proc")
    return not stat.S_ISDIR(mode)


def make_directory(path: Path) -> None:
    """Make a directory and those above it, where they are missing.

    Raises:
        UnreadableError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnreadableError(
            f"cannot be made: {error.strerror or error}", location=str(path)
        ) from None


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to a temporary name beside ``path``, then rename; see :func:`replacing`."""
    with replacing(path) as stream:
        stream.write(data)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write arrays as an uncompressed npz, all or nothing; equal arrays give equal bytes."""
    with replacing(path) as stream, zipfile.ZipFile(stream, "w", allowZip64=True) as archive:
        for name, array in arrays.items():  # np.savez would refuse a tensor called "file"
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)


def read_npz(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of an npz file, by name; objects (pickles) are never loaded.

    Raises:
        UnreadableError: the file is missing or no zip archive.
        InputError: an entry is damaged, an object array, or far too large.
    """
    place = str(path)
    if is_device(path):  # it may never end, and cannot be sought in
        raise UnreadableError("cannot be read: is no regular file", location=place)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_NPZ_BYTES:
                raise InputError(f"unpacks to more than {MAX_NPZ_BYTES} bytes", location=place)
            names = [info.filename for info in archive.infolist()]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableError(f"cannot be read: {reason}", location=place) from None
    except zipfile.BadZipFile:
        raise UnreadableError("is not an npz archive", location=place) from None
    if len(set(names)) != len(names):
        raise InputError("holds one array name twice", location=place)
    out: dict[str, np.ndarray[Any, Any]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            try:
                value = arrays[name]
            except (ValueError, OSError, EOFError, zipfile.BadZipFile, MemoryError) as error:
                raise InputError(
                    f"array {name!r} cannot be read: {str(error).splitlines()[0]}", location=place
                ) from None
            if not isinstance(value, np.ndarray):
                raise InputError(f"entry {name!r} is not an array", location=place)
            out[name] = value
    return out
