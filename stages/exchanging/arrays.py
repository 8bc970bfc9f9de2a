"""Row numbers from ``.npy`` files of strangers.

Plain integers are read by numpy without pickle. Object arrays, which are pickles, are read by an
unpickler that knows numpy's own names for an array, a number and a type (and the name by which old
pickles write bytes), and puts stand-ins of ours in their place: no function of numpy or of anybody
is called.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
from numpy.lib import format as npy

from stages.machine.errors import UserError
from stages.machine.reading import shown

MOST_ROWS = 30_000_000
MOST_PICKLED = 1 << 26  # bytes; 6 million Python integers
INTEGERS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
CORE = ("numpy.core.multiarray", "numpy._core.multiarray")


class _Type:
    """A numpy type, by its name; what BUILD adds is its byte order."""

    def __init__(self, name: object, *_: object) -> None:
        self.name, self.order = str(name).lstrip("<>|="), "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    @property
    def numpy(self) -> np.dtype:
        """The type itself, which must be one of integers."""
        if self.name not in INTEGERS:
            raise ValueError(f"an array of {shown(repr(self.name), 40)}")
        return np.dtype((">" if self.order == ">" else "<") + self.name)


class _Array:
    """An array: what its state says."""

    def __init__(self, *_: object) -> None:
        self.values: list[int] = []

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, of, _, data = state
        if isinstance(data, bytes):
            self.values = np.frombuffer(data, of.numpy).tolist()
        elif isinstance(data, list):
            self.values = [_number(value) for value in data]
        else:
            raise ValueError("an array of no numbers")
        if len(shape) != 1 or shape[0] != len(self.values):
            raise ValueError(f"shape {shown(repr(shape), 40)} and {len(self.values)} numbers")


class _Bytes:
    """Bytes, as the second protocol of pickles writes them: text in latin1."""

    def __new__(cls, text: str, _how: str = "latin1") -> bytes:
        return str(text).encode("latin-1")

    def __setstate__(self, state: object) -> None:
        raise ValueError("bytes with a state")


def _number(value: object) -> int:
    """A row; of an array within an array, its only number."""
    if isinstance(value, _Scalar):
        return value.value
    if isinstance(value, _Array) and len(value.values) == 1:
        return value.values[0]
    if type(value) is not int:
        raise ValueError(f"{shown(repr(value), 40)} is no row number")
    return value


class _Scalar:
    """A single number of numpy's."""

    def __init__(self, of: _Type, data: bytes) -> None:
        (self.value,) = np.frombuffer(data, of.numpy).tolist()

    def __setstate__(self, state: object) -> None:  # else BUILD would set attributes
        raise ValueError("a number with a state")


STAND_INS = {
    **{(module, "_reconstruct"): _Array for module in CORE},
    **{(module, "scalar"): _Scalar for module in CORE},
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _Bytes,
}


# In Python, not in C: that one takes memory for whatever size a file says.
class _Unpickler(pickle._Unpickler):  # type: ignore[name-defined]
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise ValueError(f"it wants {shown(f'{module}.{name}', 60)}, which no index set needs")
        return STAND_INS[module, name]

    def persistent_load(self, pid: object) -> Any:  # noqa: ARG002
        raise ValueError("it names things outside of itself")


def rows_of(content: bytes, where: str, pickled: bool = False) -> np.ndarray:
    """The numbers in a .npy file, int64: a vector, or a matrix with a round in each line.

    Args:
        where: its name, for messages.
        pickled: whether an object array is admitted (by the unpickler described above).

    Raises:
        UserError: not a whole .npy file of integers, or larger than any index set.
    """
    try:
        return _rows(content, pickled)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    except Exception as error:  # a pickle can make anything fail
        said = shown(" ".join(str(error).split()), 120)
        raise UserError(f"{where}: not a .npy file of row numbers ({said})") from None


def _rows(content: bytes, pickled: bool) -> np.ndarray:
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise UserError(f"not a .npy file of version 1 to 3, but {version}")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = read(stream, max_header_size=10_000)
    count = int(np.prod([int(side) for side in shape], dtype=object))
    if count > MOST_ROWS or len(shape) not in (1, 2):
        raise UserError(f"an array of shape {shape}; allowed: one or two sides, {MOST_ROWS} rows")
    body = content[stream.tell() :]
    if kind.hasobject:
        if not pickled:
            raise UserError(
                "an array of objects, which is a pickle; allowed: integers (np.save of an int64 "
                "array), and objects in files named lSet, uSet, valSet and activeSet alone"
            )
        if len(body) > MOST_PICKLED:
            raise UserError(f"a pickle of more than {MOST_PICKLED >> 20} MiB")
        found = _Unpickler(io.BytesIO(body)).load()
        if not isinstance(found, _Array) or len(shape) != 1 or len(found.values) != count:
            raise UserError("a pickle of something else than its header says")
        if any(not 0 <= value < 2**62 for value in found.values):
            raise UserError("a row number below 0, or beyond all data sets")
        return np.array(found.values, np.int64)
    if kind.kind not in "iu":
        raise UserError(f"an array of {kind}; allowed: integers")
    if len(body) != count * kind.itemsize:
        raise UserError(f"its header says {count} numbers, it holds {len(body)} bytes of them")
    values = np.frombuffer(body, kind).reshape(shape, order="F" if fortran else "C")
    if count and (values.min() < 0 or values.max() >= 2**62):
        raise UserError("a row number below 0, or beyond all data sets")
    return values.astype(np.int64)
