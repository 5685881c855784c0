"""The released checkpoints, and the many names they have."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from napari_sam2.model.config import MICRO, MODEL_CONFIGS

EMBEDDED = Path(__file__).with_name("micro.safetensors")
"""The model that comes with the package."""

SUFFIXES = (".pt", ".pth", ".safetensors")
"""How checkpoint files end."""

LICENSE = "Apache-2.0"
"""Of the released weights, as their authors say beside them, and of the embedded model."""

_SERVER = "https://dl.fbaipublicfiles.com/segment_anything_2/"
_DATES = {"sam2.1": "092824", "sam2": "072824"}
_SIZES = {"t": "tiny", "s": "small", "b+": "base_plus", "l": "large"}

# Meta publishes neither sizes nor hashes; these are the ones that independent registries agree on.
_FILES = {
    "sam2.1_hiera_t": (156_008_466, "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69"),
    "sam2.1_hiera_s": (184_416_285, "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38"),
    "sam2.1_hiera_b+": (323_606_802, "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5"),
    "sam2.1_hiera_l": (898_083_611, "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318"),
    "sam2_hiera_t": (155_906_050, "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125"),
    "sam2_hiera_s": (184_309_650, "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3"),
    "sam2_hiera_b+": (323_493_298, "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071"),
    "sam2_hiera_l": (897_952_466, "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b"),
}


@dataclass(frozen=True)
class ReleasedCheckpoint:
    """One checkpoint file of the SAM 2 authors.

    Attributes
    ----------
    name : str
        Key of :data:`~napari_sam2.model.config.MODEL_CONFIGS`, such as ``sam2.1_hiera_t``.
    file_name : str
        Name of the file on the server and in the cache folder.
    url : str
        Where the authors offer it.
    size_bytes : int
        Length of the file.
    sha256 : str
        Its SHA-256, in lower-case hexadecimal digits.
    hf_model_id : str
        Where the same weights are on the Hugging Face Hub.
    """

    name: str
    file_name: str
    url: str
    size_bytes: int
    sha256: str
    hf_model_id: str


def _released(name: str) -> ReleasedCheckpoint:
    family, size = name.split("_hiera_")
    stem = f"{family}_hiera_{_SIZES[size]}"
    size_bytes, sha256 = _FILES[name]
    return ReleasedCheckpoint(
        name=name,
        file_name=f"{stem}.pt",
        url=f"{_SERVER}{_DATES[family]}/{stem}.pt",
        size_bytes=size_bytes,
        sha256=sha256,
        hf_model_id="facebook/" + stem.replace("_", "-"),
    )


RELEASED: dict[str, ReleasedCheckpoint] = {name: _released(name) for name in _FILES}
"""The released checkpoints by the name of their model."""


def _names_of(checkpoint: ReleasedCheckpoint) -> tuple[str, ...]:
    """All that people type or have in their scripts for one model, in lower case."""
    family = checkpoint.name.split("_")[0]
    stem = checkpoint.file_name.removesuffix(".pt")
    config_file = f"{checkpoint.name}.yaml"
    return (
        checkpoint.name,
        stem,
        checkpoint.file_name,
        config_file,
        f"configs/{family}/{config_file}",
        checkpoint.hf_model_id,
        checkpoint.hf_model_id.removeprefix("facebook/"),
    )


_MODEL_OF: dict[str, str] = {
    MICRO.name: MICRO.name,
    **{alias: checkpoint.name for checkpoint in RELEASED.values() for alias in _names_of(checkpoint)},
}


def resolve_model_name(name: str) -> str:
    """Find the model that is meant by a name.

    Parameters
    ----------
    name : str
        A short or a long name (``sam2.1_hiera_t``, ``sam2.1_hiera_tiny``), an official config path
        (``configs/sam2.1/sam2.1_hiera_t.yaml``), the name of a released file (``sam2.1_hiera_tiny.pt``), an id of the
        Hugging Face Hub (``facebook/sam2.1-hiera-tiny``) or ``micro``. Case does not matter.

    Returns
    -------
    str
        Key of :data:`~napari_sam2.model.config.MODEL_CONFIGS`.

    Raises
    ------
    ValueError
        If no model has this name; the message names those that are near.
    """
    wanted = name.strip().lower().lstrip("/")
    if wanted in _MODEL_OF:
        return _MODEL_OF[wanted]
    near = dict.fromkeys(_MODEL_OF[alias] for alias in difflib.get_close_matches(wanted, _MODEL_OF, n=3))
    hint = f"did you mean {' or '.join(near)}" if near else f"there are {', '.join(MODEL_CONFIGS)}"
    raise ValueError(f"no model is called {name!r}: {hint}")


def is_model_name(name: str) -> bool:
    """Return whether a name is one of a model for :func:`resolve_model_name`."""
    return name.strip().lower().lstrip("/") in _MODEL_OF
