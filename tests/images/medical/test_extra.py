"""What is not installed is named with what to install."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from napari_sam2.images.choice import ANY
from napari_sam2.images.medical.extra import needed
from napari_sam2.images.medical.files import open_medical
from napari_sam2.images.mrc import open_mrc
from phantoms import GEOMETRIES, volume, write_dicom, write_metaimage, write_mrc, write_nifti, write_nrrd


def test_a_package_is_imported() -> None:
    assert needed("nibabel", "reading") is importlib.import_module("nibabel")


@pytest.mark.parametrize(
    ("module", "what"),
    [("nibabel", "NIfTI"), ("nrrd", "NRRD"), ("SimpleITK", "MetaImage"), ("pydicom", "DICOM"), ("mrcfile", "MRC")],
)
def test_a_missing_package_is_one_sentence(module: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    geometry = GEOMETRIES["straight"]
    path = {
        "NIfTI": lambda: write_nifti(tmp_path / "v.nii", volume(), geometry),
        "NRRD": lambda: write_nrrd(tmp_path / "v.nrrd", volume(), geometry),
        "MetaImage": lambda: write_metaimage(tmp_path / "v.mha", volume(), geometry),
        "DICOM": lambda: write_dicom(tmp_path / "d", volume(), geometry)[0],
        "MRC": lambda: write_mrc(tmp_path / "v.mrc", volume()),
    }[what]()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"^reading {what} files needs the extra: pip install 'napari-sam2\[medical\]'$"):
        open_mrc(path) if what == "MRC" else open_medical(path, ANY)
