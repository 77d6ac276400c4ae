"""`ConeProgram` and `ConeStructure` to bytes and back: npz without pickle, or its text.

The text goes into a Keras config, the bytes into a graph. Neither holds code.
"""

import base64
import dataclasses
import functools
import hashlib
import io
import json
from typing import Any

import numpy as np

from tf_cvxlayers.linalg.patterns import LinearMap, Pattern
from tf_cvxlayers.program.cone_program import (
    ConeData,
    ConeProgram,
    ConeStructure,
    ParameterSpec,
    VariableSpec,
)
from tf_cvxlayers.program.cones import ConeDims

_VERSION = 1
_CLASSES = {
    cls.__name__: cls
    for cls in (
        ConeDims,
        ConeProgram,
        ConeStructure,
        LinearMap,
        ParameterSpec,
        Pattern,
        VariableSpec,
    )
}


def to_bytes(record: Any) -> bytes:
    """The record as an npz file: its arrays, and a JSON outline that names them."""
    arrays: dict[str, Any] = {}
    outline = json.dumps({"version": _VERSION, "root": _outline(record, arrays)})
    file = io.BytesIO()
    np.savez_compressed(
        file, outline=np.frombuffer(outline.encode(), np.uint8), **arrays
    )
    return file.getvalue()


def from_bytes(content: bytes) -> Any:
    """The record that `to_bytes` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    outline = json.loads(arrays.pop("outline").tobytes())
    if outline["version"] != _VERSION:
        raise ValueError(
            f"Expected a cone program of format {_VERSION}. "
            f"Received: format {outline['version']}, written by another version of "
            "tf_cvxlayers; build the layer again from its CVXPY problem."
        )
    return _record(outline["root"], arrays)


def to_text(record: Any) -> str:
    """The bytes in base64, for JSON."""
    return base64.b64encode(to_bytes(record)).decode("ascii")


def from_text(text: str) -> Any:
    """The record that `to_text` wrote."""
    return from_bytes(base64.b64decode(text))


@functools.lru_cache(maxsize=256)
def payload_of(structure: ConeStructure) -> tuple[bytes, bytes]:
    """A name for the structure (the SHA-256 of its bytes), and its bytes."""
    content = to_bytes(structure)
    return hashlib.sha256(content).digest(), content


_STRUCTURES: dict[bytes, ConeStructure] = {}


def structure_from(key: np.ndarray, content: np.ndarray) -> ConeStructure:
    """The structure with this name; its bytes are read when it is first met."""
    name = key.tobytes()
    if name not in _STRUCTURES:
        if len(_STRUCTURES) >= 256:
            _STRUCTURES.pop(next(iter(_STRUCTURES)), None)
        _STRUCTURES[name] = from_bytes(content.tobytes())
    return _STRUCTURES[name]


def _outline(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if dataclasses.is_dataclass(value):
        fields = {
            field.name: _outline(getattr(value, field.name), arrays)
            for field in dataclasses.fields(value)
        }
        return {"class": type(value).__name__, "fields": fields}
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        # Indices are most of a program; four bytes hold them in all but huge ones.
        small = value.dtype == np.int64 and value.size and np.abs(value).max() < 2**31
        arrays[name] = value.astype(np.int32) if small else value
        return {"array": name}
    if isinstance(value, ConeData):
        return {"data": [_outline(item, arrays) for item in value]}
    if isinstance(value, tuple):
        return {"tuple": [_outline(item, arrays) for item in value]}
    return value


def _record(outline: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(outline, dict):
        return outline
    if "class" in outline:
        fields = {
            name: _record(value, arrays) for name, value in outline["fields"].items()
        }
        return _CLASSES[outline["class"]](**fields)
    if "array" in outline:
        array = arrays[outline["array"]]
        return array.astype(np.int64) if array.dtype == np.int32 else array
    is_data = "data" in outline
    items = [_record(item, arrays) for item in outline["data" if is_data else "tuple"]]
    return ConeData(*items) if is_data else tuple(items)
