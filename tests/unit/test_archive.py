"""Bytes that are not what they say are refused before anything is made of them."""

import io
import zipfile

import numpy as np
import pytest

from tf_cvxlayers.errors import FileError
from tf_cvxlayers.program.archive import (
    array_from,
    bytes_from,
    packed,
    text_of,
    unpacked,
)


def _npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def _header(shape, kind="<f8"):
    file = io.BytesIO()
    header = {"shape": shape, "fortran_order": False, "descr": kind}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


@pytest.mark.parametrize(
    "array",
    [
        np.array(2.5),
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 3)),
        np.array([True, False]),
        np.float32([1.5, np.inf]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_come_back(array):
    for found in (array_from(_npy(array)), unpacked(packed({"a": array}))["a"]):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_what_unpacks_to_very_much_is_kept_as_it_is():
    array = np.zeros(2**22)
    content = packed({"zeros": array})
    assert len(content) > array.nbytes
    np.testing.assert_array_equal(unpacked(content)["zeros"], array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\x06\x00((((((",
        _npy(np.array([object()], object)),
        _npy(np.array(["words"])),
        _npy(np.array([1j])),
        _npy(np.arange(3.0))[:-1],
        _npy(np.arange(3.0)) + b"x",
        _header((10**12,)),
        _header((-1, -1)) + bytes(8),
        _header((10**30, 0)),
    ],
    ids=range(11),
)
def test_no_array_is_made_of_other_bytes(content):
    with pytest.raises(FileError, match="Received"):
        array_from(content)


def test_a_part_that_unpacks_to_very_much_is_not_unpacked():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(2**25))
    with pytest.raises(FileError, match="Received: 33554432 bytes"):
        unpacked(file.getvalue())


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_parts_are_stored_or_deflated(kind):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        archive.writestr("a.npy", _npy(np.arange(3)))
    with pytest.raises(FileError, match="stored or deflated"):
        unpacked(file.getvalue())


def test_a_flipped_byte_is_noticed():
    content = bytearray(packed({"a": np.arange(100.0)}))
    for place in range(40, len(content), 7):
        broken = content.copy()
        broken[place] ^= 0x55
        try:
            found = unpacked(bytes(broken))
        except FileError:
            continue
        # Names and dates of parts have no checksum.
        assert all((array == np.arange(100.0)).all() for array in found.values())


@pytest.mark.parametrize("text", [None, 7, b"AAAA", "AAA", "AA=A", "é", "A A="])
def test_a_text_is_base64(text):
    assert bytes_from(text_of(b"some bytes")) == b"some bytes"
    with pytest.raises(FileError, match="base64"):
        bytes_from(text)
