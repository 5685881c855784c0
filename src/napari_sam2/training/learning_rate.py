"""The learning rate: its peak by default, and its schedule."""

from __future__ import annotations

import math

from napari_sam2.model.config import ConvTrunkConfig, ModelConfig

WARMUP_STEPS = 50
LAST_RATE = 0.05
"""Learning rate of the last step, as a share of the peak."""


def schedule(step: int, steps: int) -> float:
    """Share of the peak learning rate: a linear warm-up, at most a tenth of all steps, then a cosine down to :data:`LAST_RATE`."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / steps))
    return min(1.0, (step + 1) / max(1, min(WARMUP_STEPS, steps // 10))) * (LAST_RATE + (1 - LAST_RATE) * cosine)


def default_learning_rate(config: ModelConfig, trainable: str) -> float:
    """Choose a peak learning rate: low for large models, higher if few parameters are trainable."""
    base = 3e-4 if isinstance(config.trunk, ConvTrunkConfig) else 1e-5
    return base * {"LoRA": 5, "decoder": 2}.get(trainable, 1)
