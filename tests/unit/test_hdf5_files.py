"""HDF5 files are read whole and written again the same; their arrays may be packed as HDF5 itself packs."""

from __future__ import annotations

import io
from collections.abc import Callable

import h5py
import numpy as np
import pytest

from auditbench.models.opening.files import Damage
from auditbench.models.opening.hdf5_files import read_hdf5, write_hdf5

NAMES = ("layer_names", "kind")


def file_of(make: Callable[[h5py.File], object]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        make(file)
    return buffer.getvalue()


def fill(file: h5py.File) -> None:
    rng = np.random.default_rng(0)
    file.attrs["kind"] = "a network"
    file.attrs["other"] = "not asked for"
    file.create_group("empty/within")
    file.create_dataset("weights/whole", data=rng.normal(size=(3, 4)).astype("f4"))
    file.create_dataset("weights/half", data=rng.normal(size=(5,)).astype("f2"))
    file.create_dataset("weights/count", data=np.int64(7))
    file.create_dataset("weights/none", data=np.zeros((0, 3), "f4"))
    file.create_dataset("weights/big", data=np.arange(6, dtype=">i4"))
    packed = rng.normal(size=(64, 64)).astype("f4")
    file.create_dataset("packed", data=packed, compression="gzip", shuffle=True, fletcher32=True, chunks=(16, 16))
    file["weights"].attrs["layer_names"] = ["one", "zwei", "三"]
    file["weights"].attrs["layer_names1"] = np.array([b"four"])
    file["empty"].attrs["layer_names"] = np.array([])
    file.create_dataset("left/huge", shape=(10**12,), dtype="f8")


def test_what_is_read_and_written_is_the_same() -> None:
    content = file_of(fill)
    found = read_hdf5(content, names=NAMES, without=("left",))
    assert found.names == {
        "": {"kind": "a network"},
        "empty": {"layer_names": []},
        "empty/within": {},
        "weights": {"layer_names": ["one", "zwei", "三"], "layer_names1": ["four"]},
    }
    with h5py.File(io.BytesIO(content)) as file:
        for path, array in found.arrays.items():
            assert np.array_equal(array, file[path][()])
            assert array.dtype == file[path].dtype
    again = read_hdf5(write_hdf5(found), names=NAMES)
    assert again.names == found.names
    assert again.arrays.keys() == found.arrays.keys() == {
        "weights/whole", "weights/half", "weights/count", "weights/none", "weights/big", "packed",
    }  # fmt: skip
    assert all(np.array_equal(array, found.arrays[path]) for path, array in again.arrays.items())


def test_many_names_are_written_again() -> None:
    names = [f"a_rather_long_name_of_a_layer_{index}" for index in range(4000)]
    found = read_hdf5(file_of(lambda file: file.attrs.__setitem__("layer_names", names)), names=NAMES)
    assert found.names[""]["layer_names"] == names
    assert read_hdf5(write_hdf5(found), names=NAMES).names == found.names


def test_arrays_that_share_their_bytes_are_not_made_more_than_the_file_holds() -> None:
    """Without bounds a file could name one megabyte a thousand times."""
    content = bytearray(file_of(lambda file: file.create_dataset("a", data=np.ones(2**17))))
    assert read_hdf5(bytes(content), names=()).arrays["a"].nbytes == 2**20

    def twice(file: h5py.File) -> None:
        file.create_dataset("a", data=np.ones(2**17))
        file.create_dataset("b", data=np.zeros(2**17))

    content = bytearray(file_of(twice))
    with h5py.File(io.BytesIO(bytes(content))) as file:
        place = file["b"].id.get_offset()
    del content[place : place + 2**20]
    with pytest.raises(Damage, match="no complete HDF5 file"):
        read_hdf5(bytes(content), names=())


@pytest.mark.parametrize("cut", [9, 100, 1000, -1])
def test_a_part_of_a_file_is_none(cut: int) -> None:
    with pytest.raises(Damage, match="no complete HDF5 file"):
        read_hdf5(file_of(fill)[:cut], names=NAMES)
