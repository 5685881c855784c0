"""The names of models: every spelling people have in their scripts, and what an unknown one is told."""

import subprocess
import sys

import pytest

from napari_sam2.model.config import MODEL_CONFIGS
from napari_sam2.weights.registry import RELEASED, resolve_model_name

SPELLINGS = {
    "micro": "micro",
    "sam2.1_hiera_t": "sam2.1_hiera_t",
    "sam2.1_hiera_tiny": "sam2.1_hiera_t",
    "sam2.1_hiera_tiny.pt": "sam2.1_hiera_t",
    "SAM2.1_hiera_Tiny": "sam2.1_hiera_t",
    "sam2_hiera_small": "sam2_hiera_s",
    "sam2.1_hiera_base_plus": "sam2.1_hiera_b+",
    "sam2.1_hiera_b+": "sam2.1_hiera_b+",
    "configs/sam2.1/sam2.1_hiera_t.yaml": "sam2.1_hiera_t",
    "/configs/sam2.1/sam2.1_hiera_b+.yaml": "sam2.1_hiera_b+",
    "configs/sam2/sam2_hiera_l.yaml": "sam2_hiera_l",
    "sam2.1_hiera_t.yaml": "sam2.1_hiera_t",
    "facebook/sam2.1-hiera-base-plus": "sam2.1_hiera_b+",
    "facebook/sam2-hiera-large": "sam2_hiera_l",
    " sam2.1-hiera-large ": "sam2.1_hiera_l",
}

UNKNOWN = {
    "sam2.1_hiera_x": "sam2.1_hiera_t",
    "sam2.1_hiera_tyni": "sam2.1_hiera_t",
    "facebook/sam2.1-hiera-huge": "sam2.1_hiera_",
    "configs/sam2/sam2.1_hiera_l.yaml": "sam2.1_hiera_l",
    "mirco": "micro",
    "vit_b": "there are micro, sam2.1_hiera_t",
    "": "there are micro, sam2.1_hiera_t",
}


@pytest.mark.parametrize(("spelling", "name"), SPELLINGS.items())
def test_resolve_model_name(spelling, name):
    assert resolve_model_name(spelling) == name


@pytest.mark.parametrize(("spelling", "hint"), UNKNOWN.items())
def test_unknown_name_is_told_the_nearest(spelling, hint):
    with pytest.raises(ValueError, match="no model is called") as caught:
        resolve_model_name(spelling)
    assert repr(spelling) in str(caught.value)
    assert hint in str(caught.value)


def test_every_model_is_released_or_embedded():
    assert set(RELEASED) | {"micro"} == set(MODEL_CONFIGS)
    assert all(resolve_model_name(name) == name for name in MODEL_CONFIGS)


@pytest.mark.parametrize("checkpoint", RELEASED.values(), ids=RELEASED)
def test_released_checkpoint(checkpoint):
    year_month_day = "092824" if checkpoint.name.startswith("sam2.1") else "072824"
    folder = f"https://dl.fbaipublicfiles.com/segment_anything_2/{year_month_day}"
    assert checkpoint.url == f"{folder}/{checkpoint.file_name}"
    assert resolve_model_name(checkpoint.file_name) == resolve_model_name(checkpoint.hf_model_id) == checkpoint.name
    assert len(bytes.fromhex(checkpoint.sha256)) == 32
    assert len({other.sha256 for other in RELEASED.values()} | {other.size_bytes for other in RELEASED.values()}) == 16


def test_registry_is_imported_without_torch_and_pooch():
    heavy = "{'torch', 'pooch', 'requests', 'numpy', 'safetensors'}"
    script = f"import sys, napari_sam2.weights.registry; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
