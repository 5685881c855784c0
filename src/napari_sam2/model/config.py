"""What differs between SAM 2 models: a frozen dataclass, and one instance per released model.

Of the 91 keys in the eight released configuration files 11 vary. Those are here; what never varies is written where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class HieraConfig:
    """The hierarchical vision transformer that released models use as trunk (official ``configs/sam2*/*.yaml``)."""

    kind: Literal["hiera"] = field(default="hiera", kw_only=True)
    embed_dim: int = 96
    num_heads: int = 1
    stages: tuple[int, ...] = (1, 2, 7, 2)
    global_att_blocks: tuple[int, ...] = (5, 7, 9)
    window_spec: tuple[int, ...] = (8, 4, 14, 7)
    window_pos_embed_bkg_spatial_size: tuple[int, int] = (7, 7)
    drop_path_rate: float = 0.0

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the four levels, finest first."""
        return tuple(self.embed_dim * 2**stage for stage in range(len(self.stages)))


@dataclass(frozen=True)
class ConvTrunkConfig:
    """A plain residual convolutional trunk: its bias towards local structure lets a small model learn from little."""

    kind: Literal["conv"] = field(default="conv", kw_only=True)
    channels: tuple[int, ...] = (32, 64, 128, 192)
    depths: tuple[int, ...] = (2, 2, 3, 1)


@dataclass(frozen=True)
class ModelConfig:
    """One SAM 2 model.

    Attributes
    ----------
    name : str
        Short name, as accepted by ``build_sam2`` and ``load_model``.
    trunk : HieraConfig or ConvTrunkConfig
        The image encoder's backbone.
    version : {"2.0", "2.1"}
        2.1 adds temporal codes to the object pointers and an embedding for absent objects (three more tensors).
    image_size : int
        Side in pixels of the square the frames are resized to; a multiple of 32.
    d_model, mem_dim : int
        Channels of the image features and of a memory.
    num_maskmem : int
        Memories a frame attends to, beside those of further conditioning frames.
    fpn_top_down_levels : tuple of int
        Feature levels, 0 the finest, that receive the coarser ones.
    memory_attention_layers, memory_attention_mlp_dim, decoder_mlp_dim : int
        Depth and widths of the two transformers.
    memory_attention_dropout : float
        Dropout while training.
    zoom : float or None
        What the weights were trained on: None for whole frames, as released models; else windows around an object, with a
        side of so many object sizes (square roots of areas).
    """

    name: str
    trunk: HieraConfig | ConvTrunkConfig
    version: Literal["2.0", "2.1"] = "2.1"
    image_size: int = 1024
    d_model: int = 256
    mem_dim: int = 64
    num_maskmem: int = 7
    fpn_top_down_levels: tuple[int, ...] = (2, 3)
    memory_attention_layers: int = 4
    memory_attention_mlp_dim: int = 2048
    memory_attention_dropout: float = 0.1
    decoder_mlp_dim: int = 2048
    zoom: float | None = None

    def __post_init__(self) -> None:
        if self.image_size <= 0 or self.image_size % 32:
            raise ValueError(f"image_size must be a positive multiple of 32, got {self.image_size}")
        if self.version not in ("2.0", "2.1"):
            raise ValueError(f"version must be '2.0' or '2.1', got {self.version!r}")


_FAMILIES: dict[str, Literal["2.0", "2.1"]] = {"sam2.1": "2.1", "sam2": "2.0"}
_TINY = HieraConfig()
_SMALL = HieraConfig(stages=(1, 2, 11, 2), global_att_blocks=(7, 10, 13))
_BASE_PLUS = HieraConfig(
    embed_dim=112, num_heads=2, stages=(2, 3, 16, 3), global_att_blocks=(12, 16, 20), window_pos_embed_bkg_spatial_size=(14, 14)
)
_LARGE = HieraConfig(embed_dim=144, num_heads=2, stages=(2, 6, 36, 4), global_att_blocks=(23, 33, 43), window_spec=(8, 4, 16, 8))

MICRO = ModelConfig(
    name="micro",
    trunk=ConvTrunkConfig(),
    image_size=320,
    d_model=128,
    fpn_top_down_levels=(0, 1, 2, 3),
    memory_attention_layers=2,
    memory_attention_mlp_dim=256,
    memory_attention_dropout=0.0,
    decoder_mlp_dim=256,
    zoom=4.5,
)
"""The embedded model: small enough for the wheel and a laptop without a GPU."""

MODEL_CONFIGS: dict[str, ModelConfig] = {
    config.name: config
    for config in (
        MICRO,
        *(
            ModelConfig(name=f"{family}_hiera_{size}", trunk=trunk, version=version)
            for family, version in _FAMILIES.items()
            for size, trunk in (("t", _TINY), ("s", _SMALL), ("b+", _BASE_PLUS), ("l", _LARGE))
        ),
    )
}
"""Every model by its short name."""
