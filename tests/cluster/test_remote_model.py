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
    assert (model.recall, model.fill_hole_area, model.device) == (local.recall, local.fill_hole_area, local.device)
    assert all(parameter.is_meta for parameter in model.parameters())  # it takes no memory


def test_the_pointer_of_an_absent_object_is_the_same(served_here: ServedHere) -> None:  # noqa: F811
    model, local = remote_model(served_here, "micro", "cpu"), load_model("micro", "cpu")
    pointer, score = torch.randn(2, 256, dtype=torch.float32)[:, : local.no_obj_ptr.shape[-1]], torch.tensor([[-3.0], [2.0]])
    with torch.inference_mode():
        assert torch.equal(model._mix_absent_pointer(pointer, score), local._mix_absent_pointer(pointer, score))


def test_a_function_is_called_where_the_weights_are(served_here: ServedHere) -> None:  # noqa: F811
    assert remote_model(served_here, "micro", "cpu").call(is_meta) is False


def is_meta(model: torch.nn.Module) -> bool:
    return next(model.parameters()).is_meta
