"""Reads .npz files that come from outside: plain arrays only, sizes known before a byte is loaded.
Writes them whole or not at all.

An .npz is a zip archive of .npy members, each with a header that states type and shape. Every
header is read and checked first, so that a file that promises terabytes, hides an object array
(a pickle), or lies about a member's size is refused without cost.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import cast

import numpy as np

from engine.errors import EngineError, InputError, UnsafeFileError

MEMBER_LIMIT = 200
"""Archives of more members are refused."""
ARRAY_BYTES_LIMIT = 1 << 30
"""Largest array that is loaded whole."""
HEADER_BYTES_LIMIT = 10_000


@dataclass(frozen=True)
class ArrayHeader:
    """What a member says of itself."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool
    member: str

    @property
    def nbytes(self) -> int:
        size = self.dtype.itemsize
        for length in self.shape:
            size *= length
        return size


class NpzArchive:
    """An open .npz file: `headers` by key, and arrays on demand. A context manager.

    Raises InputError where the file is not an .npz of plain arrays, UnsafeFileError where it asks
    to be unpickled.
    """

    def __init__(self, path: Path | str, kind: str) -> None:
        self.path = Path(path)
        self._kind = kind
        try:
            mode = self.path.stat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise self._refusal("it is no regular file")  # a device has no end, a pipe waits
            self._zip = zipfile.ZipFile(self.path)
        except OSError as error:
            raise InputError(
                f"Cannot open {self.path.name}", received=error.strerror or str(error)
            ) from error
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise self._refusal("it is no .npz archive") from error
        try:
            self.headers = self._read_headers()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> NpzArchive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._zip.close()

    def __contains__(self, key: str) -> bool:
        return key in self.headers

    def array(self, key: str) -> np.ndarray:
        """The whole array under `key`. At most ARRAY_BYTES_LIMIT bytes."""
        header = self.headers[key]
        if header.nbytes > ARRAY_BYTES_LIMIT:
            raise InputError(
                f"{key!r} in {self.path.name} is too large to load",
                expected=f"at most {ARRAY_BYTES_LIMIT >> 20} MiB",
                received=f"{header.nbytes >> 20} MiB",
            )
        with self._data(header) as stream:
            data = self._read(stream, header.nbytes, key)
        flat: np.ndarray = np.frombuffer(data, header.dtype)
        shaped = flat.reshape(header.shape[::-1]).T if header.fortran_order else flat
        return shaped.reshape(header.shape).copy()

    def slices(self, key: str, axes: int) -> Iterator[np.ndarray]:
        """The array's slices over its first `axes` axes, one after the other, never all at once."""
        header = self.headers[key]
        if header.fortran_order:
            raise InputError(
                f"{key!r} in {self.path.name} is stored column by column",
                expected="C order",
                advice="Save it through numpy.ascontiguousarray.",
            )
        shape = header.shape[axes:]
        step = ArrayHeader(shape, header.dtype, False, header.member).nbytes
        with self._data(header) as stream:
            for _ in range(int(np.prod(header.shape[:axes]))):
                yield np.frombuffer(self._read(stream, step, key), header.dtype).reshape(shape)

    def _read_headers(self) -> dict[str, ArrayHeader]:
        members = self._zip.infolist()
        if len(members) > MEMBER_LIMIT:
            raise self._refusal(f"it has {len(members)} members")
        headers = {}
        for member in members:
            if not member.filename.endswith(".npy"):
                raise self._refusal(f"it holds {member.filename[:80]!r}, which is no array")
            headers[member.filename[:-4]] = self._read_header(member)
        return headers

    def _read_header(self, member: zipfile.ZipInfo) -> ArrayHeader:
        name = member.filename[:80]
        try:
            with self._zip.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                if version == (1, 0):
                    read = np.lib.format.read_array_header_1_0
                elif version == (2, 0):
                    read = np.lib.format.read_array_header_2_0
                else:
                    raise self._refusal(f"{name!r} is of an unknown version")
                shape, fortran_order, dtype = read(stream, max_header_size=HEADER_BYTES_LIMIT)
                start = stream.tell()
        except EngineError:
            raise
        except Exception as error:  # hostile text brings NumPy's parser to raise many things
            raise self._refusal(f"{name!r} has no readable header") from error
        if dtype.hasobject:
            raise UnsafeFileError(
                f"{self.path.name} holds Python objects under {name[:-4]!r}, which are not opened",
                expected="plain arrays",
                advice="Save it again with numeric arrays and plain strings only.",
            )
        header = ArrayHeader(tuple(shape), dtype, fortran_order, member.filename)
        if min(header.shape, default=0) < 0 or start + header.nbytes != member.file_size:
            raise self._refusal(f"the size of {name!r} is not what its header says")
        return header

    def _data(self, header: ArrayHeader) -> zipfile.ZipExtFile:
        stream = cast(zipfile.ZipExtFile, self._zip.open(header.member))
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0
        if version == (2, 0):
            read = np.lib.format.read_array_header_2_0
        read(stream, max_header_size=HEADER_BYTES_LIMIT)
        return stream

    def _read(self, stream: zipfile.ZipExtFile, size: int, key: str) -> bytes:
        try:
            data = stream.read(size)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
            raise self._refusal(f"{key!r} is damaged") from error
        if len(data) != size:
            raise self._refusal(f"{key!r} ends early")
        return data

    def _refusal(self, why: str) -> InputError:
        return InputError(f"{self.path.name} is not {self._kind}: {why}")


def write_npz(
    path: Path | str,
    arrays: Mapping[str, np.ndarray],
    more: Callable[[zipfile.ZipFile], object] | None = None,
) -> None:
    """An .npz under another name first, so that a file is complete or not there at all.

    `more` writes further members into the open archive. Raises InputError where the disk refuses.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            if more is not None:
                more(archive)
        os.replace(partial, target)
    except OSError as error:
        raise InputError(f"Cannot write {target}", received=error.strerror or str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
