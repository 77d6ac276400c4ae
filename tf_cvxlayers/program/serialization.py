"""`ConeProgram` and `ConeStructure` to bytes and back: npz without pickle, or its text.

The text goes into a Keras config, the bytes into a graph. Neither holds code, and
nothing that is read is used before it is known to be sound (`archive`, `soundness`).
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_cvxlayers.errors import FileError, shortened
from tf_cvxlayers.linalg.patterns import LinearMap, Pattern
from tf_cvxlayers.program.archive import bytes_from, packed, text_of, unpacked
from tf_cvxlayers.program.cone_program import (
    ConeData,
    ConeProgram,
    ConeStructure,
    ParameterSpec,
    VariableSpec,
)
from tf_cvxlayers.program.cones import ConeDims
from tf_cvxlayers.program.soundness import check_sound

_VERSION = 1
# The most variables, rows or features of a program, whatever its bytes: it may have
# rows without entries.
_ROOM = 100_000
_OUTLINE = "outline"
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
    return packed({_OUTLINE: np.frombuffer(outline.encode(), np.uint8), **arrays})


def from_bytes(content: bytes) -> Any:
    """The record that `to_bytes` wrote.

    Raises:
        FileError: the bytes are no such record; its message names the part that is not
            what it should be.
    """
    arrays = unpacked(content)
    most = _ROOM + sum(array.nbytes for array in arrays.values())
    if _OUTLINE not in arrays:
        raise FileError(
            f"Expected a cone program with an outline. Received: {sorted(arrays)}."
        )
    try:
        outline = json.loads(arrays.pop(_OUTLINE).tobytes())
        version, root = outline["version"], outline["root"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileError(
            f"Expected the outline of a cone program. Received: {error!r}."
        ) from error
    if version != _VERSION:
        raise FileError(
            f"Expected a cone program of format {_VERSION}. Received: format "
            f"{version!r}. {_advice(version)}"
        )
    try:
        record = _record(root, arrays)
    except RecursionError as error:
        raise FileError(
            "Expected the outline of a cone program. Received: one within another "
            "without end."
        ) from error
    if type(record) not in _CLASSES.values():
        raise FileError(f"Expected a record. Received: {type(record).__name__}.")
    check_sound(record, most)
    return record


def _advice(version: Any) -> str:
    if isinstance(version, int) and version > _VERSION:
        return (
            "A newer version of tf_cvxlayers wrote it: install that, "
            "`pip install --upgrade tf_cvxlayers`."
        )
    return (
        "No version of tf_cvxlayers that this one knows wrote it: build the layer "
        "again from its CVXPY problem."
    )


def to_text(record: Any) -> str:
    """The bytes in base64, for JSON."""
    return text_of(to_bytes(record))


def from_text(text: Any) -> Any:
    """The record that `to_text` wrote; raises FileError as `from_bytes` does."""
    return from_bytes(bytes_from(text))


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
    if outline is None or isinstance(outline, str | int | float):
        return outline
    if isinstance(outline, dict):
        if outline.keys() == {"class", "fields"}:
            return _instance(outline["class"], outline["fields"], arrays)
        if outline.keys() == {"array"}:
            return _array(outline["array"], arrays)
        for word, kind in _SEQUENCES.items():
            if outline.keys() == {word} and isinstance(outline[word], list):
                return kind([_record(item, arrays) for item in outline[word]])
    raise FileError(
        f"Expected the outline of a record. Received: {shortened(outline)}."
    )


def _data(items: list[Any]) -> ConeData:
    if len(items) != len(ConeData._fields):
        raise FileError(f"Expected P, q, A and b. Received: {len(items)} parts.")
    return ConeData(*items)


_SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {"tuple": tuple, "data": _data}


def _instance(name: Any, fields: Any, arrays: dict[str, np.ndarray]) -> Any:
    if not isinstance(name, str) or name not in _CLASSES:
        raise FileError(
            f"Expected one of the records {sorted(_CLASSES)}. "
            f"Received: {shortened(name)}."
        )
    cls = _CLASSES[name]
    names = {field.name for field in dataclasses.fields(cls)}
    if not isinstance(fields, dict) or fields.keys() != names:
        raise FileError(
            f"Expected {name} with the fields {sorted(names)}. "
            f"Received: {shortened(fields)}."
        )
    return cls(**{key: _record(value, arrays) for key, value in fields.items()})


def _array(name: Any, arrays: dict[str, np.ndarray]) -> np.ndarray:
    if not isinstance(name, str) or name not in arrays:
        raise FileError(
            f"Expected the name of an array that is there. Received: {shortened(name)}."
        )
    array = arrays[name]
    return array.astype(np.int64) if array.dtype == np.int32 else array
