"""Models that are loaded are told from names of models."""

from __future__ import annotations

import torch

from napari_sam2.cluster.any_model import computes_on, is_loaded, torch_version
from napari_sam2.cluster.remote_model import remote_model
from served_here import ServedHere, served_here  # noqa: F401 - a fixture
from tiny_models import tiny_predictor


def test_models_here_and_elsewhere(served_here: ServedHere) -> None:  # noqa: F811
    models = [tiny_predictor(), remote_model(served_here, "micro", "cpu")]
    assert [is_loaded(model) for model in [*models, "micro", None, torch.nn.Identity()]] == [True, True, False, False, False]
    assert [computes_on(model) for model in models] == ["cpu", "cpu at tcp://127.0.0.1:1"]
    assert [torch_version(model) for model in models] == [torch.__version__] * 2
