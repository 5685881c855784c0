"""Identifies the model of a session: name, architecture and hash of the weights."""

from __future__ import annotations

import hashlib
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2.cluster.remote_model import RemoteModel
from napari_sam2.model.config import MODEL_CONFIGS
from napari_sam2.predictors.packed_tensor import PackedTensor

if TYPE_CHECKING:
    from napari_sam2.cluster.any_model import AnyModel

_HASHES: weakref.WeakKeyDictionary[AnyModel, str] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class ModelIdentity:
    """Identifies a model.

    Attributes
    ----------
    name : str
        The name or the file by which it was loaded.
    architecture : str
        Name of its configuration.
    image_size : int
        Side of its input.
    sha256 : str or None
        Of its weights; None until the session is saved, since hashing reads all weights.
    relative_path : str or None
        Path of the model's file from the folder of the session file, in POSIX form.
    """

    name: str
    architecture: str
    image_size: int
    sha256: str | None = None
    relative_path: str | None = None

    @classmethod
    def of(cls, model: AnyModel, name: str | None = None) -> ModelIdentity:
        """Identify a model. The weights of one that was loaded from a file are not hashed: its name identifies them."""
        name = name or model.source
        sha256 = weights_sha256(model) if name is None else None
        return cls(name or model.config.name, model.config.name, model.image_size, sha256)

    @property
    def is_approximate(self) -> bool:
        """The input has another size than the model was trained with."""
        known = MODEL_CONFIGS.get(self.architecture)
        return known is not None and known.image_size != self.image_size

    def arguments(self) -> dict[str, Any]:
        """Return arguments of a session, or of a change of its model."""
        return {"model": self.name} | ({"image_size": self.image_size} if self.is_approximate else {})

    def is_same(self, other: ModelIdentity) -> bool:
        """Return whether another one is of the same model, wherever its file lies, as far as their weights were read."""
        is_same_weights = self.sha256 is None or other.sha256 is None or self.sha256 == other.sha256
        names = (self.name, self.architecture, self.image_size), (other.name, other.architecture, other.image_size)
        return is_same_weights and names[0] == names[1]


def weights_sha256(model: AnyModel) -> str:
    """Return the SHA-256 of a model's weights, which is computed once for each model."""
    if model not in _HASHES:
        if isinstance(model, RemoteModel):
            _HASHES[model] = model.call(weights_sha256)
        else:
            digest = hashlib.sha256()
            for name, tensor in sorted(model.state_dict().items()):
                digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
                digest.update(PackedTensor.pack(tensor).array.tobytes())
            _HASHES[model] = digest.hexdigest()
    return _HASHES[model]
