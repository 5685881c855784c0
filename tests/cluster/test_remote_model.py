"""A model without weights: what a session asks of it."""

from __future__ import annotations

import torch

from napari_sam2.cluster.remote_model import RemoteModel, remote_model
from napari_sam2.predictors.build import load_model
from served_here import ServedHere, served_here  # noqa: F401 - a fixture


def test_it_is_described_as_the_model_is(served_here: ServedHere) -> None:  # noqa: F811
    model, local = remote_model(served_here, "micro", "cpu"), load_model("micro", "cpu")
    assert isinstance(model, RemoteModel)
    assert (model.config, model.source, model.image_size) == (local.config, local.source, local.image_size)
    assert (model.recall, model.best_precision) == (local.recall, local.best_precision)
    assert model.computes_on == "cpu at tcp://127.0.0.1:1"


def test_a_function_is_called_where_the_weights_are(served_here: ServedHere) -> None:  # noqa: F811
    assert remote_model(served_here, "micro", "cpu").call(is_meta) is False


def is_meta(model: torch.nn.Module) -> bool:
    return next(model.parameters()).is_meta
