"""Arrays of data sets in NumPy and HDF5 files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.errors import MissingDependency, SourceError


def read_npy(path: Path) -> NDArray[Any]:
    """Return the array of an .npy file. Raises SourceError, naming the file; pickled objects are refused."""
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(f"{path}: not a whole .npy file of numbers ({str(error).splitlines()[0]})") from None


def read_hdf5(path: Path, name: str, part: Any = ()) -> NDArray[Any]:
    """Return the data set ``name`` of an HDF5 file, whole or the ``part`` that an index selects (read alone).

    Raises SourceError, naming the file and, where there is no such data set, those that there are; MissingDependency
    without h5py.
    """
    try:
        import h5py
    except ImportError:
        raise MissingDependency("h5py", "train") from None
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(name), h5py.Dataset):
                raise SourceError(f"{path}: no data set {name!r} in it; it has {', '.join(sorted(file)) or 'none'}")
            return np.asarray(file[name][part])
    except OSError as error:
        raise SourceError(f"{path}: not a whole HDF5 file ({str(error).splitlines()[0]})") from None
