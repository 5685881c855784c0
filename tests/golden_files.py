"""The official model's outputs, and models that hold the weights they were made with. See ``tests/golden/README.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from keyed_weights import keyed_state_dict

GOLDEN = Path(__file__).parent / "golden"
STABILITY = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}


def read_golden(name: str) -> dict[str, Any]:
    with np.load(GOLDEN / f"{name}.npz") as file:
        return dict(file)


def fill_with_keyed_weights(model: torch.nn.Module, seed: int) -> None:
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    weights = {key: torch.from_numpy(value) for key, value in keyed_state_dict(shapes, seed).items()}
    model.load_state_dict(weights, strict=True)
    model.eval()


def official_keys(name: str) -> dict[str, tuple[int, ...]]:
    lines = (GOLDEN / "keys" / f"{name}.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    return {key: tuple(int(side) for side in shape.strip("()").split(",") if side.strip()) for key, shape, _ in rows}
