"""Reads SMPL's official .pkl files without running anything that they ask for.

A pickle may name any function to be called. This reader admits a dozen names that plain arrays,
sparse matrices and chumpy arrays need, and replaces every one of them with a stand-in of its own,
so that not even NumPy's unpickling code sees the file. Anything else is refused.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import InputError, UnsafeFileError

LARGEST_FILE = 1 << 30
"""Bytes. The largest official model has about 350 MB."""
_LARGEST_ARRAY = 1 << 28
"""Elements, also of a sparse matrix made dense."""


def read_model_pickle(path: Path) -> dict[str, Any]:
    """The dictionary of a model file: arrays as NumPy arrays, other values as they are.

    Raises `UnsafeFileError` if the file asks for code, `InputError` if it is no such dictionary.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{path.name} is too large for a body model", expected="at most 1 GiB")
    try:
        with path.open("rb") as stream:
            content = _ArrayUnpickler(stream, encoding="latin1").load()
    except _Refused as refusal:
        raise UnsafeFileError(
            f"{path.name} asks to run {refusal}, which a body model has no need of",
            advice="It was not opened. Get the file again from its official source.",
        ) from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise InputError(
            f"{path.name} cannot be read as a pickled body model",
            received=f"{type(error).__name__}: {error}",
        ) from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path.name} is not a body model",
            expected="a dictionary of arrays",
            received=type(content).__name__,
        )
    return {str(key): _plain(value) for key, value in content.items()}


class _Refused(Exception):
    """Names what the file asked for."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "chumpy":
            return _StateHolder
        if module.startswith("scipy.sparse") and name in ("csc_matrix", "csr_matrix"):
            return _ColumnMatrix if name == "csc_matrix" else _RowMatrix
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        raise _Refused(f"{module}.{name}")


class _DType:
    """Stand-in of numpy.dtype: numbers only, their byte order arrives as state."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code = str(code)
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = str(state[1])

    def resolve(self) -> np.dtype[Any]:
        dtype = np.dtype(self.code)
        if dtype.kind not in "biuf":
            raise ValueError(f"an array of {self.code!r} instead of numbers")
        return dtype.newbyteorder(">" if self.order == ">" else "<")


class _Array:
    """Stand-in of numpy.ndarray; its state is (version, shape, dtype, column-major, bytes)."""

    value: np.ndarray | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, column_major, content = state
        if isinstance(content, list):  # an array of objects: none of the model's own
            return
        self.value = _from_bytes(content, dtype, shape, "F" if column_major else "C")


def _from_bytes(content: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    if isinstance(content, str):  # bytes as Python 2 wrote them
        content = content.encode("latin1")
    flat = np.frombuffer(bytes(content), dtype.resolve())
    return flat.reshape([int(size) for size in shape], order="F" if order == "F" else "C")


class _StateHolder:
    """Stand-in of chumpy's arrays: remembers its state and has the value that lies in it."""

    def __init__(self, *_: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = dict(state) if isinstance(state, dict) else {}

    def resolve(self) -> np.ndarray | None:
        for key in ("x", "a", "_x"):
            value = _plain(getattr(self, "state", {}).get(key))
            if isinstance(value, np.ndarray):
                return value
        return None


class _ColumnMatrix(_StateHolder):
    """Stand-in of scipy's csc_matrix, made dense."""

    def resolve(self) -> np.ndarray | None:
        rows, columns = (int(n) for n in self.state.get("_shape", self.state.get("shape", ())))
        parts = (_plain(self.state[key]) for key in ("data", "indices", "indptr"))
        return _dense(*parts, inner=rows, outer=columns).T


class _RowMatrix(_StateHolder):
    """Stand-in of scipy's csr_matrix, made dense."""

    def resolve(self) -> np.ndarray | None:
        rows, columns = (int(n) for n in self.state.get("_shape", self.state.get("shape", ())))
        parts = (_plain(self.state[key]) for key in ("data", "indices", "indptr"))
        return _dense(*parts, inner=columns, outer=rows)


def _dense(
    values: np.ndarray, indices: np.ndarray, pointers: np.ndarray, *, inner: int, outer: int
) -> np.ndarray:
    """(outer, inner) from compressed sparse storage; every index is checked by NumPy."""
    if not 0 < inner * outer <= _LARGEST_ARRAY or (np.diff(pointers) < 0).any():
        raise ValueError("a sparse matrix of impossible size")
    dense = np.zeros((outer, inner))
    np.add.at(dense, (np.repeat(np.arange(outer), np.diff(pointers)), indices), values)
    return dense


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, _StateHolder):
        return value.resolve()
    return value


def _reconstruct_array(kind: Any, *_: Any) -> _Array:
    if kind is not _Array:
        raise _Refused(repr(kind))
    return _Array()


def _reconstruct_object(kind: Any, *_: Any) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, (_StateHolder, _Array))):
        raise _Refused(repr(kind))
    return kind()


def _scalar(dtype: Any, content: Any = b"") -> Any:
    return _from_bytes(content, dtype, ())[()]


def _encode(text: str, _: str = "latin1") -> bytes:
    return text.encode("latin1")


class _Object:
    """Stand-in of `object` as the base that old pickles name."""


def _admitted() -> dict[tuple[str, str], Callable[..., Any]]:
    names: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _DType,
        ("_codecs", "encode"): _encode,
        ("collections", "OrderedDict"): OrderedDict,
    }
    for core in ("numpy.core", "numpy._core"):
        names[f"{core}.multiarray", "_reconstruct"] = _reconstruct_array
        names[f"{core}.multiarray", "scalar"] = _scalar
        names[f"{core}.numeric", "_frombuffer"] = _from_bytes
    for module in ("copy_reg", "copyreg"):
        names[module, "_reconstructor"] = _reconstruct_object
    for module in ("__builtin__", "builtins"):
        names[module, "object"] = _Object
        names[module, "set"] = set
    return names


_ADMITTED = _admitted()
