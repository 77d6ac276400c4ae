"""Arrays to bytes and back: the npz and npy formats, read with suspicion.

Bytes come from files, and files from anywhere. A header may claim any size, and a
compressed part may unpack to any size: nothing is allocated before the claim is seen to
be a small multiple of the bytes that are there, and an array has exactly the bytes that
its header asks for. NumPy's own reader allocates what the header says.
"""

import base64
import binascii
import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from tf_cvxlayers.errors import FileError

# The most bytes that are unpacked, for each byte of a file, and anyhow.
_MOST, _ANYHOW = 64, 2**24
# More bytes than the header of an array has; and no axis is longer.
_HEADER, _LONGEST = 1024, 2**31
# NumPy's letters for bools, integers, unsigned ones and floats.
_KINDS = "biuf"
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An npz file of these arrays, compressed but for what unpacks to so much that it
    would not be read."""
    parts: dict[str, Any] = dict(arrays)
    file, size = io.BytesIO(), sum(_HEADER + array.nbytes for array in arrays.values())
    np.savez_compressed(file, **parts)
    if size > _most(len(file.getvalue())):
        file = io.BytesIO()
        np.savez(file, **parts)
    return file.getvalue()


def unpacked(content: bytes) -> dict[str, np.ndarray]:
    """The arrays that `packed` wrote.

    Raises:
        FileError: the bytes are no such file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            parts = file.infolist()
            size = sum(part.file_size for part in parts)
            if size > _most(len(content)):
                raise FileError(
                    f"Expected arrays of at most {_most(len(content))} bytes in a file "
                    f"of {len(content)}. Received: {size} bytes."
                )
            foreign = {part.compress_type for part in parts} - _COMPRESSIONS
            if foreign:
                raise FileError(
                    "Expected arrays that are stored or deflated. "
                    f"Received: compression of type {min(foreign)}."
                )
            return {
                part.filename.removesuffix(".npy"): array_from(file.read(part))
                for part in parts
            }
    except FileError:
        raise
    except Exception as error:  # a dozen kinds, from the standard library and NumPy
        raise FileError(
            f"Expected an npz file. Received: {len(content)} bytes that are none: "
            f"{error}."
        ) from error


def array_from(content: bytes) -> np.ndarray:
    """The array of an npy file, which may be read-only.

    Raises:
        FileError: the bytes are no such file, or an array of something else than
            numbers.
    """
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise FileError(f"Expected npy format 1.0. Received: format {version}.")
        shape, by_column, kind = np.lib.format.read_array_header_1_0(file)
    except FileError:
        raise
    except Exception as error:  # as above
        raise FileError(f"Expected an npy file. Received: {error}.") from error
    left = len(content) - file.tell()
    size = math.prod(shape) * kind.itemsize
    if (
        kind.kind not in _KINDS
        or size != left
        or not all(0 <= k < _LONGEST for k in shape)
    ):
        raise FileError(
            f"Expected an array of numbers in its {left} bytes. "
            f"Received: a header that says shape {shape} of {kind}."
        )
    order: Literal["F", "C"] = "F" if by_column else "C"
    return np.frombuffer(content, kind, offset=file.tell()).reshape(shape, order=order)


def bytes_from(text: object) -> bytes:
    """The bytes of a base64 text.

    Raises:
        FileError: it is none.
    """
    if not isinstance(text, str):
        raise FileError(f"Expected a base64 text. Received: {type(text).__name__}.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FileError(f"Expected a base64 text. Received: {error}.") from error


def text_of(content: bytes) -> str:
    """The bytes as base64 text."""
    return base64.b64encode(content).decode("ascii")


def _most(size: int) -> int:
    return max(_MOST * size, _ANYHOW)
