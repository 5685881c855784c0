"""SAM 2 for training: prompts and corrections are simulated from ground-truth masks (SAM 2 paper, section 6.2, appendix D.2.2).

T frames · O objects · V clips · C channels · S side of the image · K masks per prompt · P points.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from napari_sam2.torch_threads import torch

import numpy as np
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from napari_sam2.model.image_encoder import ImageEncoder, ImageFeatures
from napari_sam2.model.memory_attention import MemoryAttention
from napari_sam2.model.memory_encoder import MemoryEncoder
from napari_sam2.model.sam2_base import FrameOutput, SAM2Base, SamHeadOutputs
from napari_sam2.training.clips import ClipBatch
from napari_sam2.training.losses import StepPrediction
from napari_sam2.training.point_sampling import get_next_point, sample_box_points

PointInputs = dict[str, Tensor]


@dataclass
class PromptPlan:
    """Frames to prompt and to correct, with the prompts; by points or by a mask, not both."""

    init_cond_frames: list[int]
    frames_not_in_init_cond: list[int]
    frames_to_add_correction_pt: list[int]
    gt_masks_per_frame: dict[int, Tensor]
    """(O, 1, S, S), bool."""
    point_inputs_per_frame: dict[int, PointInputs] = field(default_factory=dict)
    mask_inputs_per_frame: dict[int, Tensor] = field(default_factory=dict)
    unsupervised_frames: frozenset[int] = frozenset()


class SAM2Train(SAM2Base):
    """SAM 2 with simulated interaction.

    Parameters
    ----------
    image_encoder, memory_attention, memory_encoder : nn.Module
        The modules of the network.
    prob_to_use_pt_input_for_train, prob_to_use_pt_input_for_eval : float
        Probability of prompting by points or a box instead of by a mask.
    prob_to_use_box_input_for_train, prob_to_use_box_input_for_eval : float
        Among those, probability of a box.
    num_frames_to_correct_for_train, num_frames_to_correct_for_eval : int
        Number of frames with correction clicks if prompts are points or boxes, the initial conditioning frames among them.
    rand_frames_to_correct_for_train, rand_frames_to_correct_for_eval : bool
        Draw that number, at least that of the initial conditioning frames, at most the given one.
    num_init_cond_frames_for_train, num_init_cond_frames_for_eval : int
        Number of initial conditioning frames, which are prompted at the start.
    rand_init_cond_frames_for_train, rand_init_cond_frames_for_eval : bool
        Draw that number, at least 1, at most the given one.
    add_all_frames_to_correct_as_cond : bool
        Whether a corrected frame becomes a conditioning frame.
    num_correction_pt_per_frame : int
        Correction clicks on a frame.
    pt_sampling_for_eval : {"center", "uniform"}
        Position of clicks in evaluation; in training they are uniform in the error.
    prob_to_sample_from_gt_for_train : float
        Probability that a correction click is uniform in the object instead of in the error.
    use_act_ckpt_iterative_pt_sampling : bool
        Recompute the heads of correction clicks in the backward pass, to save memory.
    forward_backbone_per_frame_for_eval : bool
        Encode one frame at a time in evaluation.
    freeze_image_encoder : bool
        Freeze the image encoder.
    supervise_low_res_masks : bool
        Supervise masks at the decoder's resolution, a quarter of the input's, which costs far less. False in the official class.
    supervise_masks_of_missed_objects : bool
        In training, also supervise the predicted mask where the object score is a false negative. With False, as in the official
        class, the mask is replaced there by an empty one, which has no gradient.
    num_supervised_frames : int
        In training, supervise the prompted frames and this number of last frames; those between are tracked without gradient or
        loss. With 0, as in the official class, all frames are supervised.
    **kwargs
        As for :class:`~napari_sam2.model.sam2_base.SAM2Base`.

    Raises
    ------
    ValueError
        If ``pt_sampling_for_eval`` is unknown, no frame is prompted, or fewer frames are corrected than are prompted by points.

    Notes
    -----
    Official ``training/model/sam2.py``.
    """

    def __init__(
        self,
        image_encoder: ImageEncoder,
        memory_attention: MemoryAttention,
        memory_encoder: MemoryEncoder,
        prob_to_use_pt_input_for_train: float = 0.0,
        prob_to_use_pt_input_for_eval: float = 0.0,
        prob_to_use_box_input_for_train: float = 0.0,
        prob_to_use_box_input_for_eval: float = 0.0,
        num_frames_to_correct_for_train: int = 1,
        num_frames_to_correct_for_eval: int = 1,
        rand_frames_to_correct_for_train: bool = False,
        rand_frames_to_correct_for_eval: bool = False,
        num_init_cond_frames_for_train: int = 1,
        num_init_cond_frames_for_eval: int = 1,
        rand_init_cond_frames_for_train: bool = True,
        rand_init_cond_frames_for_eval: bool = False,
        add_all_frames_to_correct_as_cond: bool = False,
        num_correction_pt_per_frame: int = 7,
        pt_sampling_for_eval: str = "center",
        prob_to_sample_from_gt_for_train: float = 0.0,
        use_act_ckpt_iterative_pt_sampling: bool = False,
        forward_backbone_per_frame_for_eval: bool = False,
        freeze_image_encoder: bool = False,
        supervise_low_res_masks: bool = False,
        supervise_masks_of_missed_objects: bool = False,
        num_supervised_frames: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_encoder, memory_attention, memory_encoder, **kwargs)
        if pt_sampling_for_eval not in ("center", "uniform"):
            raise ValueError(f"pt_sampling_for_eval must be 'center' or 'uniform', got {pt_sampling_for_eval!r}")
        fewest = min(num_init_cond_frames_for_train, num_init_cond_frames_for_eval)
        if fewest < 1:
            raise ValueError(f"at least one frame has to be prompted, got {fewest} initial conditioning frames")
        self.use_act_ckpt_iterative_pt_sampling = use_act_ckpt_iterative_pt_sampling
        self.forward_backbone_per_frame_for_eval = forward_backbone_per_frame_for_eval
        self.prob_to_use_pt_input = {True: prob_to_use_pt_input_for_train, False: prob_to_use_pt_input_for_eval}
        self.prob_to_use_box_input = {True: prob_to_use_box_input_for_train, False: prob_to_use_box_input_for_eval}
        self.num_frames_to_correct = {True: num_frames_to_correct_for_train, False: num_frames_to_correct_for_eval}
        self.rand_frames_to_correct = {True: rand_frames_to_correct_for_train, False: rand_frames_to_correct_for_eval}
        self.num_init_cond_frames = {True: num_init_cond_frames_for_train, False: num_init_cond_frames_for_eval}
        self.rand_init_cond_frames = {True: rand_init_cond_frames_for_train, False: rand_init_cond_frames_for_eval}
        for mode, prob_of_points in self.prob_to_use_pt_input.items():
            corrected, prompted = self.num_frames_to_correct[mode], self.num_init_cond_frames[mode]
            if prob_of_points > 0 and corrected < prompted:
                raise ValueError(f"frames prompted by points are all corrected: {corrected} to correct are fewer than {prompted}")
        self.add_all_frames_to_correct_as_cond = add_all_frames_to_correct_as_cond
        self.num_correction_pt_per_frame = num_correction_pt_per_frame
        self.pt_sampling_for_eval = pt_sampling_for_eval
        self.prob_to_sample_from_gt = {True: prob_to_sample_from_gt_for_train, False: 0.0}
        self.supervise_low_res_masks = supervise_low_res_masks
        self.supervise_masks_of_missed_objects = supervise_masks_of_missed_objects
        self.num_supervised_frames = num_supervised_frames
        self.rng = np.random.default_rng(42)
        if freeze_image_encoder:
            for parameter in self.image_encoder.parameters():
                parameter.requires_grad = False

    def forward(self, input: ClipBatch) -> list[list[StepPrediction]]:
        """Track all objects of a batch through their clips.

        Parameters
        ----------
        input : ClipBatch
            Frames and ground-truth masks.

        Returns
        -------
        list of list of StepPrediction
            Predictions of each frame in order, one per click; none for an unsupervised frame.
        """
        plan = self.prepare_prompt_inputs(input)
        per_frame = (self.forward_backbone_per_frame_for_eval and not self.training) or bool(plan.unsupervised_frames)
        backbone_out = None if per_frame else self.forward_image(input.frames.flatten(0, 1))
        return self.forward_tracking(backbone_out, input, plan)

    # --- prompts ---------------------------------------------------------------------------------------------------

    def prepare_prompt_inputs(self, input: ClipBatch, start_frame_idx: int = 0) -> PromptPlan:
        """Decide which frames are prompted and corrected, and draw the first prompts (official L173-289)."""
        training, T = self.training, input.num_frames
        use_points = self.rng.random() < self.prob_to_use_pt_input[training] or T == 1
        num_correct = 1 if T == 1 else self.num_frames_to_correct[training]
        num_init = 1 if T == 1 else self.num_init_cond_frames[training]
        if self.rand_init_cond_frames[training] and num_init > 1:
            num_init = int(self.rng.integers(1, num_init, endpoint=True))
        if use_points and self.rand_frames_to_correct[training] and num_correct > num_init:
            num_correct = int(self.rng.integers(num_init, num_correct, endpoint=True))
        later = np.arange(start_frame_idx + 1, T)
        init_cond = [start_frame_idx, *self._draw(later, num_init - 1)]
        corrected: list[int] = []
        if use_points:
            others = np.setdiff1d(later, init_cond)
            corrected = [*init_cond, *self._draw(others, max(0, num_correct - num_init))]
        plan = PromptPlan(
            init_cond_frames=init_cond,
            frames_not_in_init_cond=[t for t in range(start_frame_idx, T) if t not in init_cond],
            frames_to_add_correction_pt=corrected,
            gt_masks_per_frame={t: masks[:, None] for t, masks in enumerate(input.masks)},
        )
        if training and self.num_supervised_frames:
            between = range(start_frame_idx, T - self.num_supervised_frames)
            plan.unsupervised_frames = frozenset(between).difference(init_cond)
        for t in init_cond:
            if not use_points:
                plan.mask_inputs_per_frame[t] = plan.gt_masks_per_frame[t]
            elif self.rng.random() < self.prob_to_use_box_input[training]:
                plan.point_inputs_per_frame[t] = _point_inputs(*sample_box_points(plan.gt_masks_per_frame[t]))
            else:
                method = "uniform" if training else self.pt_sampling_for_eval
                plan.point_inputs_per_frame[t] = _point_inputs(*get_next_point(plan.gt_masks_per_frame[t], None, method))
        return plan

    def _draw(self, frames: np.ndarray, count: int) -> list[int]:
        return [int(t) for t in self.rng.choice(frames, min(count, len(frames)), replace=False)]

    # --- tracking --------------------------------------------------------------------------------------------------

    def forward_tracking(
        self, backbone_out: ImageFeatures | None, input: ClipBatch, plan: PromptPlan
    ) -> list[list[StepPrediction]]:
        """Segment the prompted frames, then the others in order (official L291-383)."""
        V = input.frames.shape[1]
        features = None
        if backbone_out is not None:
            _, vision_feats, vision_pos, feat_sizes = self._prepare_backbone_features(backbone_out)
            features = (vision_feats, vision_pos, feat_sizes)
        output_dict: dict[str, dict[int, FrameOutput]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
        predictions: dict[int, list[StepPrediction]] = {}
        for t in [*plan.init_cond_frames, *plan.frames_not_in_init_cond]:
            with torch.set_grad_enabled(torch.is_grad_enabled() and t not in plan.unsupervised_frames):
                if features is None:
                    prepared = self._prepare_backbone_features(self.forward_image(input.frames[t]))
                    _, vision_feats, vision_pos, feat_sizes = prepared
                    clip_index = input.clip_of_object
                else:
                    vision_feats, vision_pos, feat_sizes = features
                    clip_index = t * V + input.clip_of_object
                output, predictions[t] = self._track_and_correct(
                    t,
                    plan,
                    [_for_objects(x, clip_index) for x in vision_feats],
                    [x[:, :1].expand(-1, len(clip_index), -1) for x in vision_pos],
                    feat_sizes,
                    output_dict,
                    input.num_frames,
                )
            corrected = self.add_all_frames_to_correct_as_cond and t in plan.frames_to_add_correction_pt
            store = "cond_frame_outputs" if t in plan.init_cond_frames or corrected else "non_cond_frame_outputs"
            output_dict[store][t] = output
        return [[] if t in plan.unsupervised_frames else predictions[t] for t in sorted(predictions)]

    def _track_and_correct(
        self,
        frame_idx: int,
        plan: PromptPlan,
        vision_feats: list[Tensor],
        vision_pos: list[Tensor],
        feat_sizes: list[tuple[int, int]],
        output_dict: dict[str, dict[int, FrameOutput]],
        num_frames: int,
    ) -> tuple[FrameOutput, list[StepPrediction]]:
        """Segment one frame, correct it if that is planned, and encode it as memory (official L385-463)."""
        point_inputs = plan.point_inputs_per_frame.get(frame_idx)
        current_out, sam_outputs, high_res_features, pix_feat = self._track_step(
            frame_idx,
            frame_idx in plan.init_cond_frames,
            vision_feats,
            vision_pos,
            feat_sizes,
            point_inputs,
            plan.mask_inputs_per_frame.get(frame_idx),
            output_dict,
            num_frames,
            track_in_reverse=False,
            prev_sam_mask_logits=None,
        )
        steps = [_prediction(sam_outputs)]
        if frame_idx in plan.frames_to_add_correction_pt:
            point_inputs, sam_outputs, further = self._iter_correct_pt_sampling(
                frame_idx in plan.init_cond_frames,
                point_inputs,
                plan.gt_masks_per_frame[frame_idx],
                high_res_features,
                pix_feat,
                sam_outputs,
            )
            steps += further
        # The memory encodes the masks of inference: empty ones where the object score is negative.
        sam_outputs = self._as_in_inference(sam_outputs)
        current_out["pred_masks"] = sam_outputs.low_res_masks
        current_out["obj_ptr"] = sam_outputs.obj_ptr
        current_out["object_score_logits"] = sam_outputs.object_score_logits
        if num_frames > 1:
            self._encode_memory_in_output(
                vision_feats,
                feat_sizes,
                point_inputs,
                True,
                super()._upscale_to_image(sam_outputs.high_res_masks),
                sam_outputs.object_score_logits,
                current_out,
            )
        return current_out, steps

    def _iter_correct_pt_sampling(
        self,
        is_init_cond_frame: bool,
        point_inputs: PointInputs | None,
        gt_masks: Tensor,
        high_res_features: list[Tensor] | None,
        pix_feat: Tensor,
        sam_outputs: SamHeadOutputs,
    ) -> tuple[PointInputs | None, SamHeadOutputs, list[StepPrediction]]:
        """Click on the error and predict again, several times (official L465-541)."""
        steps = []
        gt_small = F.interpolate(gt_masks.float(), sam_outputs.high_res_masks.shape[-2:], mode="area") > 0.5
        scale = gt_masks.shape[-1] / gt_small.shape[-1]
        for _ in range(self.num_correction_pt_per_frame):
            from_gt = self.training and self.rng.random() < self.prob_to_sample_from_gt[True]
            sam_outputs = self._as_in_inference(sam_outputs)
            predicted = None if from_gt else sam_outputs.high_res_masks > 0
            method = "uniform" if self.training else self.pt_sampling_for_eval
            points, labels = get_next_point(gt_small, predicted, method)
            point_inputs = _point_inputs((points + 0.5) * scale - 0.5, labels, after=point_inputs)
            sam_outputs = self._refine(
                pix_feat,
                point_inputs,
                sam_outputs.low_res_masks,
                high_res_features,
                self._use_multimask(is_init_cond_frame, point_inputs),
            )
            steps.append(_prediction(sam_outputs))
        return point_inputs, sam_outputs, steps

    def _refine(
        self,
        pix_feat: Tensor,
        point_inputs: PointInputs,
        previous: Tensor,
        high_res_features: list[Tensor] | None,
        multimask_output: bool,
    ) -> SamHeadOutputs:
        arguments = (pix_feat, point_inputs, previous, high_res_features, multimask_output)
        if self.use_act_ckpt_iterative_pt_sampling and torch.is_grad_enabled():
            refined: SamHeadOutputs = checkpoint(self._forward_sam_heads, *arguments, use_reentrant=False)
            return refined
        return self._forward_sam_heads(*arguments)

    def _hide_absent(self, masks: Tensor, object_score_logits: Tensor) -> Tensor:
        return masks if self._predicts_missed_masks else super()._hide_absent(masks, object_score_logits)

    @property
    def _predicts_missed_masks(self) -> bool:
        return self.training and self.supervise_masks_of_missed_objects

    def _as_in_inference(self, outputs: SamHeadOutputs) -> SamHeadOutputs:
        """Empty the chosen masks where the object score is negative, if that has not been done."""
        if not self._predicts_missed_masks:
            return outputs
        score = outputs.object_score_logits
        return outputs._replace(
            low_res_masks=super()._hide_absent(outputs.low_res_masks, score),
            high_res_masks=super()._hide_absent(outputs.high_res_masks, score),
        )

    def _upscale_to_image(self, masks: Tensor) -> Tensor:
        return masks if self.supervise_low_res_masks else super()._upscale_to_image(masks)


def _for_objects(sequence: Tensor, clip_of_object: Tensor) -> Tensor:
    """Index features by the clip of each object: (N, V, C) to (N, O, C)."""
    return sequence.transpose(0, 1).index_select(0, clip_of_object).transpose(0, 1)


def _point_inputs(points: Tensor, labels: Tensor, after: PointInputs | None = None) -> PointInputs:
    if after is not None:
        points = torch.cat([after["point_coords"], points], dim=1)
        labels = torch.cat([after["point_labels"], labels], dim=1)
    return {"point_coords": points, "point_labels": labels}


def _prediction(outputs: SamHeadOutputs) -> StepPrediction:
    return StepPrediction(outputs.high_res_multimasks, outputs.ious, outputs.object_score_logits)
