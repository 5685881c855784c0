"""Labels as MRC, read again by mrcfile."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from napari_sam2.export.mrc import write_mrc
from napari_sam2.export.result import Result
from napari_sam2.images.calibration import Calibration
from napari_sam2.images.stack import Stack
from phantoms import volume

LABELS = (volume() % 5).astype(np.uint16) * 300


def test_labels_and_sizes(tmp_path: Path) -> None:
    write_mrc(tmp_path / "a.mrc", Result(LABELS, "ZYX", Calibration(4, 8, 16, length_unit="nanometer")))
    assert mrcfile.validate(tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc") as file:
        np.testing.assert_array_equal(file.data, LABELS)
        assert file.data.dtype == np.uint16
        assert file.voxel_size.tolist() == pytest.approx((80, 40, 160))
    stack = Stack.open(tmp_path / "a.mrc")
    assert stack.calibration.in_units("nanometer").steps("ZYX") == pytest.approx((16, 4, 8))


def test_an_image_is_one_plane_and_times_are_refused(tmp_path: Path) -> None:
    write_mrc(tmp_path / "p.mrc", Result(LABELS[0], "YX"))
    with mrcfile.open(tmp_path / "p.mrc") as file:
        assert file.data.shape == (1, 12, 10)
    with pytest.raises(ValueError, match=r"^t\.mrc: MRC holds a volume or an image, not volumes in time$"):
        write_mrc(tmp_path / "t.mrc", Result(LABELS, "TYX"))
    assert not (tmp_path / "t.mrc").exists()
