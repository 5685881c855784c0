"""A script for the official SAM 2 package: only the import is another."""

import tifffile
import torch

from napari_sam2 import build_sam2_video_predictor
from napari_sam2.data.samples import FLUO_MITOCHECK

movie = tifffile.imread(FLUO_MITOCHECK.image)[:4]
predictor = build_sam2_video_predictor("micro")  # or ("configs/sam2.1/sam2.1_hiera_t.yaml", "sam2.1_hiera_tiny.pt")

with torch.inference_mode():
    state = predictor.init_state(movie)  # beyond folders of JPEG and MP4, an array of any type
    predictor.add_new_points_or_box(state, frame_idx=0, obj_id=1, points=[[82, 73]], labels=[1])  # x, y
    for frame, objects, logits in predictor.propagate_in_video(state):
        print(f"frame {frame}: object {objects[0]} has {int((logits[0] > 0).sum())} pixels")
