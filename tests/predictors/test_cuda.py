"""On a GPU: the goldens again, and bfloat16 close to float32. Skipped where there is none."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from golden_files import fill_with_keyed_weights, read_golden
from keyed_weights import keyed_frames
from napari_sam2.predictors.device import inference
from napari_sam2.predictors.video_predictor import build_sam2_video_predictor

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.fixture(autouse=True)
def exact_float32() -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@pytest.mark.parametrize(("precision", "least_iou"), [("float32", 0.99), ("bfloat16", 0.9)])
def test_tracking_equals_the_official_cpu_result(precision: str, least_iou: float) -> None:
    golden = read_golden("video_sam2.1_t_256_session_present")
    meta = json.loads(str(golden["meta"]))
    predictor = build_sam2_video_predictor("sam2.1_hiera_t", device="cuda", image_size=256, fill_hole_area=0)
    fill_with_keyed_weights(predictor, meta["seed"])
    frames = torch.from_numpy(keyed_frames(meta["num_frames"], 256, meta["seed"]))
    with inference(torch.device("cuda"), precision):
        state = predictor.init_state(frames, video_height=meta["video_height"], video_width=meta["video_width"])
        first = meta["actions"][0]
        _, _, logits = predictor.add_new_points_or_box(state, 0, 1, points=first["points"], labels=first["labels"])
    found = logits[0, 0].float().cpu().numpy()[:: meta["stride"], :: meta["stride"]]
    expected = golden["out000_logits"][0]
    if precision == "float32":
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3)
    inside = (found > 0), (expected > 0)
    assert (inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum() > least_iou
