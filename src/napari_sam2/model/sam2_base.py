"""SAM 2: the steps of the paper's figure 3 wired together, one frame at a time.

B objects · C channels of the features, Cm of a memory · S side of the image · H, W size of the coarsest level · N = H * W
P points · K masks per prompt · M memories · Q object pointers.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from napari_sam2.torch_threads import torch

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.init import trunc_normal_

from napari_sam2.model.compilation import compile_blocks
from napari_sam2.model.config import ModelConfig
from napari_sam2.model.image_encoder import ImageEncoder, ImageFeatures
from napari_sam2.model.layers import MLP
from napari_sam2.model.mask_decoder import MaskDecoder, TwoWayTransformer
from napari_sam2.model.memory_attention import MemoryAttention
from napari_sam2.model.memory_encoder import MemoryEncoder
from napari_sam2.model.memory_recall import OfficialRecall, RecalledFrame
from napari_sam2.model.onednn import Conv2d, Linear
from napari_sam2.model.position_encoding import get_1d_sine_pe
from napari_sam2.model.prompt_encoder import PromptEncoder

NO_OBJ_SCORE = -1024.0
"""Logit of every pixel of an object that is not on the frame."""

FrameOutput: TypeAlias = dict[str, Any]
"""What is kept of a frame, as officially named: maskmem_features, maskmem_pos_enc, pred_masks, obj_ptr, object_score_logits."""


class SamHeadOutputs(NamedTuple):
    """What the SAM heads predict for one prompt per object, in the official order."""

    low_res_multimasks: Tensor
    """(B, K, 4H, 4W), logits."""
    high_res_multimasks: Tensor
    """(B, K, S, S), logits."""
    ious: Tensor
    """(B, K), predicted."""
    low_res_masks: Tensor
    """(B, 1, 4H, 4W), logits of the best mask."""
    high_res_masks: Tensor
    """(B, 1, S, S), logits of the best mask."""
    obj_ptr: Tensor
    """(B, C), the object pointer."""
    object_score_logits: Tensor
    """(B, 1), above 0 where the object is on the frame."""


class PredictedMasks(NamedTuple):
    """What the SAM heads predict for one prompt per object, before masks are enlarged."""

    low_res_multimasks: Tensor
    """(B, K, 4H, 4W), logits."""
    ious: Tensor
    """(B, K), predicted."""
    best: Tensor
    """(B,), int64, the index of the best mask."""
    obj_ptr: Tensor
    """(B, C), the object pointer."""
    object_score_logits: Tensor
    """(B, 1), above 0 where the object is on the frame."""

    @property
    def low_res_masks(self) -> Tensor:
        """(B, 1, 4H, 4W), logits of the best mask."""
        return _chosen(self.low_res_multimasks, self.best)


class RecalledMemory(NamedTuple):
    """Memories and pointers of B objects that recall the same number of each."""

    features: Tensor
    """(M, B, Cm, H, W)."""
    slots: Tensor
    """(M, B), int64: 0 for conditioning frames, 1 for the frame just before, and so on."""
    pointers: Tensor
    """(Q, B, C)."""
    pointer_offsets: Tensor
    """(Q, B), float: distance in frames, divided by the longest."""


class SAM2Base(nn.Module):
    """The SAM 2 network without a video around it.

    Parameters
    ----------
    image_encoder, memory_attention, memory_encoder : nn.Module
        The blocks.
    num_maskmem : int
        Memories per frame, one of them for conditioning frames; 0 makes an image model.
    image_size : int
        Side S of the square input in pixels.
    backbone_stride : int
        Pixels per position of the coarsest level.
    sigmoid_scale_for_mem_enc, sigmoid_bias_for_mem_enc : float
        Applied to mask probabilities before they are remembered.
    binarize_mask_from_pts_for_mem_enc : bool
        In evaluation, remember the prompted masks as 0 or 1 instead of as probabilities.
    use_mask_input_as_output_without_sam : bool
        A mask prompt is the output of its frame.
    max_cond_frames_in_attn : int
        See :class:`~napari_sam2.model.memory_recall.OfficialRecall`.
    directly_add_no_mem_embed : bool
        Without memories, add an embedding to the features instead of attending to it.
    use_high_res_features_in_sam : bool
        The decoder uses the two finer levels.
    multimask_output_in_sam, multimask_output_for_tracking : bool
        Several masks for prompted and for tracked frames.
    multimask_min_pt_num, multimask_max_pt_num : int
        For how many points.
    use_multimask_token_for_obj_ptr : bool
        The object pointer comes from the token of the chosen mask.
    iou_prediction_use_sigmoid : bool
        Keep predicted IoUs in 0 .. 1.
    memory_temporal_stride_for_eval : int
        See :class:`~napari_sam2.model.memory_recall.OfficialRecall`.
    non_overlap_masks_for_mem_enc : bool
        Remember masks of several objects without overlaps.
    use_obj_ptrs_in_encoder, max_obj_ptrs_in_encoder, only_obj_ptrs_in_the_past_for_eval : bool, int, bool
        Object pointers in memory attention.
    add_tpos_enc_to_obj_ptrs, proj_tpos_enc_in_obj_ptrs, use_signed_tpos_enc_to_obj_ptrs : bool
        Temporal codes of the pointers (2.1).
    pred_obj_scores, pred_obj_scores_mlp, fixed_no_obj_ptr, soft_no_obj_ptr : bool
        Prediction of absence, and the pointer of an absent object.
    use_mlp_for_obj_ptr_proj : bool
        Project pointers by an MLP.
    no_obj_embed_spatial : bool
        Add an embedding to memories of absent objects (2.1).
    sam_mask_decoder_extra_args : dict, optional
        Further arguments of :class:`~napari_sam2.model.mask_decoder.MaskDecoder`.
    sam_decoder_mlp_dim : int
        Width of the decoder's MLP; the official code has 2048 written into it.
    compile_image_encoder : bool
        Compile the image encoder with ``torch.compile``.

    Notes
    -----
    Official ``sam2_base.py``; the defaults are those of the official class.
    """

    config: ModelConfig
    """The configuration the model was built from, by :func:`~napari_sam2.model.assembly.build_model`."""
    fills_batches = False
    """Batches of tracked objects are filled up to a power of two, by repeating the last one."""

    def __init__(
        self,
        image_encoder: ImageEncoder,
        memory_attention: MemoryAttention,
        memory_encoder: MemoryEncoder,
        num_maskmem: int = 7,
        image_size: int = 512,
        backbone_stride: int = 16,
        sigmoid_scale_for_mem_enc: float = 1.0,
        sigmoid_bias_for_mem_enc: float = 0.0,
        binarize_mask_from_pts_for_mem_enc: bool = False,
        use_mask_input_as_output_without_sam: bool = False,
        max_cond_frames_in_attn: int = -1,
        directly_add_no_mem_embed: bool = False,
        use_high_res_features_in_sam: bool = False,
        multimask_output_in_sam: bool = False,
        multimask_min_pt_num: int = 1,
        multimask_max_pt_num: int = 1,
        multimask_output_for_tracking: bool = False,
        use_multimask_token_for_obj_ptr: bool = False,
        iou_prediction_use_sigmoid: bool = False,
        memory_temporal_stride_for_eval: int = 1,
        non_overlap_masks_for_mem_enc: bool = False,
        use_obj_ptrs_in_encoder: bool = False,
        max_obj_ptrs_in_encoder: int = 16,
        add_tpos_enc_to_obj_ptrs: bool = True,
        proj_tpos_enc_in_obj_ptrs: bool = False,
        use_signed_tpos_enc_to_obj_ptrs: bool = False,
        only_obj_ptrs_in_the_past_for_eval: bool = False,
        pred_obj_scores: bool = False,
        pred_obj_scores_mlp: bool = False,
        fixed_no_obj_ptr: bool = False,
        soft_no_obj_ptr: bool = False,
        use_mlp_for_obj_ptr_proj: bool = False,
        no_obj_embed_spatial: bool = False,
        sam_mask_decoder_extra_args: dict[str, Any] | None = None,
        sam_decoder_mlp_dim: int = 2048,
        compile_image_encoder: bool = False,
    ) -> None:
        super().__init__()
        if soft_no_obj_ptr and not pred_obj_scores:
            raise ValueError("soft_no_obj_ptr needs pred_obj_scores")
        self.image_encoder = image_encoder
        self.use_high_res_features_in_sam = use_high_res_features_in_sam
        self.num_feature_levels = 3 if use_high_res_features_in_sam else 1
        self.memory_attention = memory_attention
        self.hidden_dim = memory_attention.d_model
        self.memory_encoder = memory_encoder
        self.mem_dim = self.hidden_dim
        if isinstance(memory_encoder.out_proj, nn.Conv2d):
            self.mem_dim = memory_encoder.out_proj.out_channels

        self.image_size = image_size
        self.backbone_stride = backbone_stride
        self.multimask_output_in_sam = multimask_output_in_sam
        self.multimask_min_pt_num = multimask_min_pt_num
        self.multimask_max_pt_num = multimask_max_pt_num
        self.multimask_output_for_tracking = multimask_output_for_tracking
        self.use_multimask_token_for_obj_ptr = use_multimask_token_for_obj_ptr
        self.iou_prediction_use_sigmoid = iou_prediction_use_sigmoid
        self.use_mask_input_as_output_without_sam = use_mask_input_as_output_without_sam

        self.num_maskmem = num_maskmem
        self.max_cond_frames_in_attn = max_cond_frames_in_attn
        self.memory_temporal_stride_for_eval = memory_temporal_stride_for_eval
        self.non_overlap_masks_for_mem_enc = non_overlap_masks_for_mem_enc
        self.sigmoid_scale_for_mem_enc = sigmoid_scale_for_mem_enc
        self.sigmoid_bias_for_mem_enc = sigmoid_bias_for_mem_enc
        self.binarize_mask_from_pts_for_mem_enc = binarize_mask_from_pts_for_mem_enc
        self.directly_add_no_mem_embed = directly_add_no_mem_embed

        self.use_obj_ptrs_in_encoder = use_obj_ptrs_in_encoder
        self.max_obj_ptrs_in_encoder = max_obj_ptrs_in_encoder
        self.add_tpos_enc_to_obj_ptrs = add_tpos_enc_to_obj_ptrs
        self.proj_tpos_enc_in_obj_ptrs = proj_tpos_enc_in_obj_ptrs and add_tpos_enc_to_obj_ptrs
        self.use_signed_tpos_enc_to_obj_ptrs = use_signed_tpos_enc_to_obj_ptrs
        self.only_obj_ptrs_in_the_past_for_eval = only_obj_ptrs_in_the_past_for_eval
        self.pred_obj_scores = pred_obj_scores
        self.pred_obj_scores_mlp = pred_obj_scores_mlp
        self.fixed_no_obj_ptr = fixed_no_obj_ptr
        self.soft_no_obj_ptr = soft_no_obj_ptr
        self.use_mlp_for_obj_ptr_proj = use_mlp_for_obj_ptr_proj
        self.sam_mask_decoder_extra_args = sam_mask_decoder_extra_args or {}
        self.sam_decoder_mlp_dim = sam_decoder_mlp_dim

        self.maskmem_tpos_enc = _small_parameter(num_maskmem, 1, 1, self.mem_dim)
        self.no_mem_embed = _small_parameter(1, 1, self.hidden_dim)
        self.no_mem_pos_enc = _small_parameter(1, 1, self.hidden_dim)
        if pred_obj_scores and use_obj_ptrs_in_encoder:
            self.no_obj_ptr = _small_parameter(1, self.hidden_dim)
        self.no_obj_embed_spatial = _small_parameter(1, self.mem_dim) if no_obj_embed_spatial else None
        if use_obj_ptrs_in_encoder:
            # Brings a mask prompt to the size of a mask prompt's input, for the pointer only.
            self.mask_downsample = Conv2d(1, 1, kernel_size=4, stride=4)
        self._build_sam_heads()
        if compile_image_encoder:
            compile_blocks({self.image_encoder: False})

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Not defined: a frame has no meaning without its video. Use a predictor, or ``SAM2Train``."""
        raise NotImplementedError("use SAM2ImagePredictor, SAM2VideoPredictor or SAM2Train")

    def _build_sam_heads(self) -> None:
        """Make the prompt encoder, the mask decoder and the projections of the object pointer (official L195-263)."""
        self.sam_prompt_embed_dim = self.hidden_dim
        self.sam_image_embedding_size = self.image_size // self.backbone_stride
        self.sam_prompt_encoder = PromptEncoder(
            embed_dim=self.sam_prompt_embed_dim,
            image_embedding_size=(self.sam_image_embedding_size, self.sam_image_embedding_size),
            input_image_size=(self.image_size, self.image_size),
            mask_in_chans=16,
        )
        transformer = TwoWayTransformer(
            depth=2, embedding_dim=self.sam_prompt_embed_dim, num_heads=8, mlp_dim=self.sam_decoder_mlp_dim
        )
        self.sam_mask_decoder = MaskDecoder(
            transformer_dim=self.sam_prompt_embed_dim,
            transformer=transformer,
            use_high_res_features=self.use_high_res_features_in_sam,
            iou_prediction_use_sigmoid=self.iou_prediction_use_sigmoid,
            pred_obj_scores=self.pred_obj_scores,
            pred_obj_scores_mlp=self.pred_obj_scores_mlp,
            use_multimask_token_for_obj_ptr=self.use_multimask_token_for_obj_ptr,
            **self.sam_mask_decoder_extra_args,
        )
        C = self.hidden_dim
        self.obj_ptr_proj: nn.Module = nn.Identity()
        if self.use_obj_ptrs_in_encoder:
            self.obj_ptr_proj = MLP(C, C, C, 3) if self.use_mlp_for_obj_ptr_proj else Linear(C, C)
        self.obj_ptr_tpos_proj: nn.Module = Linear(C, self.mem_dim) if self.proj_tpos_enc_in_obj_ptrs else nn.Identity()

    # --- the image -------------------------------------------------------------------------------------------------

    def forward_image(self, img_batch: Tensor) -> ImageFeatures:
        """Encode normalised frames, (B, 3, S, S); the finer levels are already reduced for the decoder (official L467)."""
        decoder = self.sam_mask_decoder
        reductions = (decoder.conv_s0, decoder.conv_s1) if self.use_high_res_features_in_sam else ()
        backbone_out: ImageFeatures = self.image_encoder(img_batch, reductions)
        return backbone_out

    def _prepare_backbone_features(
        self, backbone_out: ImageFeatures
    ) -> tuple[ImageFeatures, list[Tensor], list[Tensor], list[tuple[int, int]]]:
        """Flatten the levels that are used, finest first, to sequences (H * W, B, C) (official L481)."""
        feature_maps = backbone_out["backbone_fpn"][-self.num_feature_levels :]
        positions = backbone_out["vision_pos_enc"][-self.num_feature_levels :]
        feat_sizes = [(x.shape[-2], x.shape[-1]) for x in positions]
        vision_feats = [x.flatten(2).permute(2, 0, 1) for x in feature_maps]
        vision_pos_embeds = [x.flatten(2).permute(2, 0, 1) for x in positions]
        return backbone_out, vision_feats, vision_pos_embeds, feat_sizes

    # --- the SAM heads ---------------------------------------------------------------------------------------------

    def _forward_sam_heads(
        self,
        backbone_features: Tensor,
        point_inputs: dict[str, Tensor] | None = None,
        mask_inputs: Tensor | None = None,
        high_res_features: list[Tensor] | None = None,
        multimask_output: bool = False,
    ) -> SamHeadOutputs:
        """Predict masks as :meth:`_predict_masks` does, and enlarge all of them to the S x S input (official L265-413)."""
        predicted = self._predict_masks(backbone_features, point_inputs, mask_inputs, high_res_features, multimask_output)
        high_res_multimasks = self._upscale_to_image(predicted.low_res_multimasks)
        return SamHeadOutputs(
            predicted.low_res_multimasks,
            high_res_multimasks,
            predicted.ious,
            predicted.low_res_masks,
            _chosen(high_res_multimasks, predicted.best),
            predicted.obj_ptr,
            predicted.object_score_logits,
        )

    def _predict_masks(
        self,
        backbone_features: Tensor,
        point_inputs: dict[str, Tensor] | None = None,
        mask_inputs: Tensor | None = None,
        high_res_features: list[Tensor] | None = None,
        multimask_output: bool = False,
    ) -> PredictedMasks:
        """Predict masks from features and prompts.

        Parameters
        ----------
        backbone_features : Tensor
            (B, C, H, W), conditioned on memory.
        point_inputs : dict, optional
            ``point_coords`` (B, P, 2), x before y in pixels of the S x S input, and ``point_labels`` (B, P).
        mask_inputs : Tensor, optional
            (B, 1, *, *), logits of an earlier prediction.
        high_res_features : list of Tensor, optional
            (B, C / 8, 4H, 4W) and (B, C / 4, 2H, 2W).
        multimask_output : bool
            Choose among several masks.

        Returns
        -------
        PredictedMasks
        """
        B = backbone_features.shape[0]
        device = backbone_features.device
        if point_inputs is not None:
            coords, labels = point_inputs["point_coords"], point_inputs["point_labels"]
        else:
            # parity: no point is one point that is none, to which the encoder adds another, official L315
            coords = torch.zeros(B, 1, 2, dtype=torch.float32, device=device)
            labels = -torch.ones(B, 1, dtype=torch.int32, device=device)
        if mask_inputs is not None and tuple(mask_inputs.shape[-2:]) != self.sam_prompt_encoder.mask_input_size:
            mask_inputs = F.interpolate(
                mask_inputs.float(), self.sam_prompt_encoder.mask_input_size, mode="bilinear", align_corners=False, antialias=True
            )
        sparse, dense = self.sam_prompt_encoder(points=(coords, labels), boxes=None, masks=mask_inputs)
        low_res_multimasks, ious, sam_output_tokens, object_score_logits = self.sam_mask_decoder(
            image_embeddings=backbone_features,
            image_pe=self.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask_output,
            repeat_image=False,
            high_res_features=high_res_features,
        )
        low_res_multimasks = self._hide_absent(low_res_multimasks, object_score_logits).float()
        best = ious.argmax(dim=-1)
        sam_output_token = _chosen(sam_output_tokens, best)[:, 0]
        obj_ptr = self._mix_absent_pointer(self.obj_ptr_proj(sam_output_token), object_score_logits)
        return PredictedMasks(low_res_multimasks, ious, best, obj_ptr, object_score_logits)

    def _hide_absent(self, masks: Tensor, object_score_logits: Tensor) -> Tensor:
        """Empty the masks, (B, K, *, *), of objects that are not on the frame (official L359-368)."""
        if not self.pred_obj_scores:
            return masks
        return torch.where((object_score_logits > 0)[..., None, None], masks, NO_OBJ_SCORE)

    def _upscale_to_image(self, masks: Tensor) -> Tensor:
        """Enlarge low-resolution logits, (B, K, 4H, 4W), to the S x S input."""
        return F.interpolate(masks, (self.image_size, self.image_size), mode="bilinear", align_corners=False)

    def _mix_absent_pointer(self, obj_ptr: Tensor, object_score_logits: Tensor) -> Tensor:
        """Replace the pointer, (B, C), of objects that are not on the frame (official L394-403)."""
        if not self.pred_obj_scores or not self.use_obj_ptrs_in_encoder:
            return obj_ptr
        present = object_score_logits.sigmoid() if self.soft_no_obj_ptr else (object_score_logits > 0).to(obj_ptr.dtype)
        if self.fixed_no_obj_ptr:
            obj_ptr = present * obj_ptr
        return obj_ptr + (1 - present) * self.no_obj_ptr

    def _use_mask_as_output(
        self, backbone_features: Tensor, high_res_features: list[Tensor] | None, mask_inputs: Tensor
    ) -> SamHeadOutputs:
        """Take a prompted mask, (B, 1, S, S) of 0 and 1, as the output of its frame (official L415-465).

        The decoder runs only for the object pointer.
        """
        mask_float = mask_inputs.float()
        high_res_masks = mask_float * 20.0 - 10.0
        quarter = (high_res_masks.shape[-2] // 4, high_res_masks.shape[-1] // 4)
        low_res_masks = F.interpolate(high_res_masks, quarter, mode="bilinear", align_corners=False, antialias=True)
        ious = mask_float.new_ones(mask_float.shape[0], 1)
        present = (mask_float.flatten(1) > 0).any(dim=1, keepdim=True).float()
        object_score_logits = 20.0 * present - 10.0
        if self.use_obj_ptrs_in_encoder:
            predicted = self._predict_masks(
                backbone_features=backbone_features,
                mask_inputs=self.mask_downsample(mask_float),
                high_res_features=high_res_features,
            )
            # parity: the pointer was already mixed by the decoder's own score, and is again by the mask's, official L448
            obj_ptr = self._mix_absent_pointer(predicted.obj_ptr, object_score_logits)
        else:
            obj_ptr = mask_float.new_zeros(mask_float.shape[0], self.hidden_dim)
        return SamHeadOutputs(low_res_masks, high_res_masks, ious, low_res_masks, high_res_masks, obj_ptr, object_score_logits)

    # --- memory attention ------------------------------------------------------------------------------------------

    @property
    def recall(self) -> OfficialRecall:
        """The rule by which a frame chooses among remembered frames, as this model is configured."""
        return OfficialRecall(
            num_maskmem=self.num_maskmem,
            max_cond_frames_in_attn=self.max_cond_frames_in_attn,
            memory_temporal_stride=1 if self.training else self.memory_temporal_stride_for_eval,
            use_obj_ptrs=self.use_obj_ptrs_in_encoder,
            max_obj_ptrs=self.max_obj_ptrs_in_encoder,
            only_past_pointers=self.only_obj_ptrs_in_the_past_for_eval and not self.training,
            signed_pointer_offsets=self.use_signed_tpos_enc_to_obj_ptrs,
        )

    def _prepare_memory_conditioned_features(
        self,
        frame_idx: int,
        is_init_cond_frame: bool,
        current_vision_feats: list[Tensor],
        current_vision_pos_embeds: list[Tensor],
        feat_sizes: list[tuple[int, int]],
        output_dict: dict[str, dict[int, FrameOutput]],
        num_frames: int,
        track_in_reverse: bool = False,
    ) -> Tensor:
        """Condition a frame's features on what ``output_dict`` remembers.

        Parameters
        ----------
        frame_idx : int
            The frame.
        is_init_cond_frame : bool
            It starts a track: there is nothing to remember.
        current_vision_feats, current_vision_pos_embeds : list of Tensor
            Features and position codes, (H * W, B, C), coarsest last.
        feat_sizes : list of tuple of int
            Height and width of each.
        output_dict : dict
            ``cond_frame_outputs`` and ``non_cond_frame_outputs``: frame to :data:`FrameOutput`.
        num_frames : int
            Length of the video.
        track_in_reverse : bool
            Tracking runs towards frame 0.

        Returns
        -------
        Tensor
            (B, C, H, W).

        Notes
        -----
        Official L497-663.
        """
        vision_feats, vision_pos, feat_size = current_vision_feats[-1], current_vision_pos_embeds[-1], feat_sizes[-1]
        if self.num_maskmem == 0:
            return _to_map(vision_feats, feat_size)
        if is_init_cond_frame:
            return self._features_without_memory(vision_feats, vision_pos, feat_size)
        conditioning, recent = output_dict["cond_frame_outputs"], output_dict["non_cond_frame_outputs"]
        recall = self.recall(frame_idx, conditioning, recent, num_frames, track_in_reverse)

        def output(recalled: RecalledFrame) -> FrameOutput:
            return (conditioning if recalled.is_conditioning else recent)[recalled.frame]

        B = vision_feats.shape[1]
        memories = [memory for memory in recall.memories if output(memory)["maskmem_features"] is not None]
        recalled_memory = RecalledMemory(
            features=_stack([output(memory)["maskmem_features"] for memory in memories], vision_feats),
            slots=_per_object([memory.offset for memory in memories], B, vision_feats.device, torch.int64),
            pointers=_stack([output(pointer)["obj_ptr"] for pointer in recall.pointers], vision_feats),
            pointer_offsets=_per_object([p.offset for p in recall.pointers], B, vision_feats.device, torch.float32)
            / max(recall.longest_pointer_offset, 1),
        )
        return self._condition_on_memory(vision_feats, vision_pos, feat_size, recalled_memory)

    def _features_without_memory(self, vision_feats: Tensor, vision_pos: Tensor, feat_size: tuple[int, int]) -> Tensor:
        """Features, (B, C, H, W), of a frame that starts a track."""
        if self.directly_add_no_mem_embed:
            return _to_map(vision_feats + self.no_mem_embed, feat_size)
        B = vision_feats.shape[1]
        attended = self.memory_attention(
            curr=vision_feats,
            curr_pos=vision_pos,
            memory=self.no_mem_embed.expand(1, B, self.mem_dim),
            memory_pos=self.no_mem_pos_enc.expand(1, B, self.mem_dim),
            num_obj_ptr_tokens=1,
            feat_size=feat_size,
        )
        return _to_map(attended, feat_size)

    def _condition_on_memory(
        self, vision_feats: Tensor, vision_pos: Tensor, feat_size: tuple[int, int], recalled: RecalledMemory
    ) -> Tensor:
        """Let the features, (H * W, B, C) or (H * W, 1, C), attend to memories and pointers of B objects; return (B, C, H, W)."""
        features, slots, pointers, pointer_offsets = recalled
        dtype = vision_feats.dtype
        # Memories are kept in bfloat16, pointers in float32: both follow the frame's type.
        # Tokens of an object lie together, (B, M, Cm), as they are attended to.
        memory = features.to(dtype).flatten(3).permute(1, 0, 3, 2).flatten(1, 2)
        spatial = self.memory_encoder.position_encoding(vision_feats.new_empty(1, 1, *feat_size)).to(dtype)
        # The slot's code: index 0 is the frame just before, num_maskmem - 1 any conditioning frame (official L581).
        temporal = self.maskmem_tpos_enc.flatten(1)[(slots - 1) % self.num_maskmem]
        memory_pos = (spatial[0].flatten(1).T + temporal.transpose(0, 1)[:, :, None]).flatten(1, 2)

        num_obj_ptr_tokens = 0
        if self.use_obj_ptrs_in_encoder and len(pointers):
            # A pointer is wider than a memory: it becomes several tokens (official L639).
            split = self.hidden_dim // self.mem_dim
            tokens = pointers.to(dtype).transpose(0, 1).unflatten(2, (split, self.mem_dim)).flatten(1, 2)
            pointer_pos = self._pointer_positions(pointer_offsets).to(dtype).transpose(0, 1).repeat_interleave(split, dim=1)
            memory = torch.cat([memory, tokens], dim=1)
            memory_pos = torch.cat([memory_pos, pointer_pos], dim=1)
            num_obj_ptr_tokens = tokens.shape[1]
        attended = self.memory_attention(
            curr=vision_feats,
            curr_pos=vision_pos,
            memory=memory.transpose(0, 1),
            memory_pos=memory_pos.transpose(0, 1),
            num_obj_ptr_tokens=num_obj_ptr_tokens,
            feat_size=feat_size,
        )
        return _to_map(attended, feat_size)

    def _pointer_positions(self, offsets: Tensor) -> Tensor:
        """Temporal codes, (Q, B, Cm), of pointers at ``offsets``, (Q, B)."""
        if not self.add_tpos_enc_to_obj_ptrs:
            return offsets.new_zeros(*offsets.shape, self.mem_dim)
        dim = self.hidden_dim if self.proj_tpos_enc_in_obj_ptrs else self.mem_dim
        code: Tensor = self.obj_ptr_tpos_proj(get_1d_sine_pe(offsets, dim))
        return code

    # --- memory encoder --------------------------------------------------------------------------------------------

    def _encode_new_memory(
        self,
        current_vision_feats: list[Tensor],
        feat_sizes: list[tuple[int, int]],
        pred_masks_high_res: Tensor,
        object_score_logits: Tensor,
        is_mask_from_pts: bool,
    ) -> tuple[Tensor, list[Tensor]]:
        """Remember a frame.

        Parameters
        ----------
        current_vision_feats : list of Tensor
            (H * W, B, C), coarsest last, not conditioned on memory; B may be 1 for a frame that all objects share.
        feat_sizes : list of tuple of int
            Height and width of each.
        pred_masks_high_res : Tensor
            (B, 1, S, S), logits.
        object_score_logits : Tensor
            (B, 1).
        is_mask_from_pts : bool
            The frame was prompted.

        Returns
        -------
        maskmem_features : Tensor
            (B, Cm, H, W).
        maskmem_pos_enc : list of Tensor
            One position code of the same shape.

        Notes
        -----
        Official L665-726.
        """
        pix_feat = _to_map(current_vision_feats[-1], feat_sizes[-1])
        if self.non_overlap_masks_for_mem_enc and not self.training:
            pred_masks_high_res = self._apply_non_overlapping_constraints(pred_masks_high_res)
        if self.binarize_mask_from_pts_for_mem_enc and is_mask_from_pts and not self.training:
            mask_for_mem = (pred_masks_high_res > 0).float()
        else:
            mask_for_mem = torch.sigmoid(pred_masks_high_res)
        mask_for_mem = mask_for_mem * self.sigmoid_scale_for_mem_enc + self.sigmoid_bias_for_mem_enc
        encoded = self.memory_encoder(pix_feat, mask_for_mem, skip_mask_sigmoid=True)
        maskmem_features = encoded["vision_features"]
        if self.no_obj_embed_spatial is not None:
            absent = (object_score_logits <= 0).to(maskmem_features.dtype)[..., None, None]
            maskmem_features = maskmem_features + absent * self.no_obj_embed_spatial[..., None, None]
        return maskmem_features, encoded["vision_pos_enc"]

    def _encode_memory_in_output(
        self,
        current_vision_feats: list[Tensor],
        feat_sizes: list[tuple[int, int]],
        point_inputs: dict[str, Tensor] | None,
        run_mem_encoder: bool,
        high_res_masks: Tensor,
        object_score_logits: Tensor,
        current_out: FrameOutput,
    ) -> None:
        """Put the frame's memory, or None, into ``current_out`` (official L787-812)."""
        current_out["maskmem_features"], current_out["maskmem_pos_enc"] = None, None
        if run_mem_encoder and self.num_maskmem > 0:
            current_out["maskmem_features"], current_out["maskmem_pos_enc"] = self._encode_new_memory(
                current_vision_feats, feat_sizes, high_res_masks, object_score_logits, is_mask_from_pts=point_inputs is not None
            )

    # --- one frame -------------------------------------------------------------------------------------------------

    def _track_step(
        self,
        frame_idx: int,
        is_init_cond_frame: bool,
        current_vision_feats: list[Tensor],
        current_vision_pos_embeds: list[Tensor],
        feat_sizes: list[tuple[int, int]],
        point_inputs: dict[str, Tensor] | None,
        mask_inputs: Tensor | None,
        output_dict: dict[str, dict[int, FrameOutput]],
        num_frames: int,
        track_in_reverse: bool,
        prev_sam_mask_logits: Tensor | None,
    ) -> tuple[FrameOutput, SamHeadOutputs, list[Tensor] | None, Tensor]:
        """Segment one frame (official L728-785); see :meth:`track_step`."""
        high_res_features = self._high_res_maps(current_vision_feats, feat_sizes)
        if mask_inputs is not None and self.use_mask_input_as_output_without_sam:
            pix_feat = _to_map(current_vision_feats[-1], feat_sizes[-1])
            sam_outputs = self._use_mask_as_output(pix_feat, high_res_features, mask_inputs)
        else:
            pix_feat = self._prepare_memory_conditioned_features(
                frame_idx=frame_idx,
                is_init_cond_frame=is_init_cond_frame,
                current_vision_feats=current_vision_feats[-1:],
                current_vision_pos_embeds=current_vision_pos_embeds[-1:],
                feat_sizes=feat_sizes[-1:],
                output_dict=output_dict,
                num_frames=num_frames,
                track_in_reverse=track_in_reverse,
            )
            sam_outputs = self._forward_sam_heads(
                backbone_features=pix_feat,
                point_inputs=point_inputs,
                # An earlier prediction of the same frame comes in as a mask prompt.
                mask_inputs=mask_inputs if prev_sam_mask_logits is None else prev_sam_mask_logits,
                high_res_features=high_res_features,
                multimask_output=self._use_multimask(is_init_cond_frame, point_inputs),
            )
        return {"point_inputs": point_inputs, "mask_inputs": mask_inputs}, sam_outputs, high_res_features, pix_feat

    def track_step(
        self,
        frame_idx: int,
        is_init_cond_frame: bool,
        current_vision_feats: list[Tensor],
        current_vision_pos_embeds: list[Tensor],
        feat_sizes: list[tuple[int, int]],
        point_inputs: dict[str, Tensor] | None,
        mask_inputs: Tensor | None,
        output_dict: dict[str, dict[int, FrameOutput]],
        num_frames: int,
        track_in_reverse: bool = False,
        run_mem_encoder: bool = True,
        prev_sam_mask_logits: Tensor | None = None,
    ) -> FrameOutput:
        """Segment one frame and remember it.

        Parameters
        ----------
        frame_idx, is_init_cond_frame, output_dict, num_frames, track_in_reverse
            As for :meth:`_prepare_memory_conditioned_features`.
        current_vision_feats, current_vision_pos_embeds, feat_sizes
            Likewise, of all levels, finest first.
        point_inputs, mask_inputs
            As for :meth:`_forward_sam_heads`; a mask prompt is (B, 1, S, S) of 0 and 1.
        run_mem_encoder : bool
            Whether to remember the frame.
        prev_sam_mask_logits : Tensor, optional
            (B, 1, 4H, 4W), the prediction that further clicks refine.

        Returns
        -------
        dict
            ``pred_masks`` and ``pred_masks_high_res`` (logits), ``obj_ptr``, ``object_score_logits``, ``maskmem_features``,
            ``maskmem_pos_enc``, and the prompts.

        Notes
        -----
        Official L814-878.
        """
        current_out, sam_outputs, _, _ = self._track_step(
            frame_idx,
            is_init_cond_frame,
            current_vision_feats,
            current_vision_pos_embeds,
            feat_sizes,
            point_inputs,
            mask_inputs,
            output_dict,
            num_frames,
            track_in_reverse,
            prev_sam_mask_logits,
        )
        current_out["pred_masks"] = sam_outputs.low_res_masks
        current_out["pred_masks_high_res"] = sam_outputs.high_res_masks
        current_out["obj_ptr"] = sam_outputs.obj_ptr
        current_out["object_score_logits"] = sam_outputs.object_score_logits
        self._encode_memory_in_output(
            current_vision_feats,
            feat_sizes,
            point_inputs,
            run_mem_encoder,
            sam_outputs.high_res_masks,
            sam_outputs.object_score_logits,
            current_out,
        )
        return current_out

    def _high_res_maps(self, vision_feats: list[Tensor], feat_sizes: list[tuple[int, int]]) -> list[Tensor] | None:
        """Bring the finer levels back to maps (B, C, H, W)."""
        if len(vision_feats) <= 1:
            return None
        return [_to_map(x, size) for x, size in zip(vision_feats[:-1], feat_sizes[:-1], strict=True)]

    def _use_multimask(self, is_init_cond_frame: bool, point_inputs: dict[str, Tensor] | None) -> bool:
        """Whether the prompt is ambiguous enough for several masks (official L880-889)."""
        num_pts = 0 if point_inputs is None else point_inputs["point_labels"].shape[1]
        return (
            self.multimask_output_in_sam
            and (is_init_cond_frame or self.multimask_output_for_tracking)
            and self.multimask_min_pt_num <= num_pts <= self.multimask_max_pt_num
        )

    @staticmethod
    def _apply_non_overlapping_constraints(pred_masks: Tensor) -> Tensor:
        """Give each pixel of (B, 1, H, W) logits to the object with the highest one; the others get at most -10 (official L891)."""
        if pred_masks.shape[0] == 1:
            return pred_masks
        winner = pred_masks.argmax(dim=0, keepdim=True)
        objects = torch.arange(pred_masks.shape[0], dtype=torch.int64, device=pred_masks.device)[:, None, None, None]
        return torch.where(winner == objects, pred_masks, pred_masks.clamp(max=-10.0))


def _small_parameter(*shape: int) -> nn.Parameter:
    parameter = nn.Parameter(torch.zeros(*shape))
    trunc_normal_(parameter, std=0.02)
    return parameter


def _chosen(several: Tensor, index: Tensor) -> Tensor:
    """Choose one of several for each object: (B, K, ...) to (B, 1, ...)."""
    if several.shape[1] == 1:
        return several
    objects = torch.arange(several.shape[0], dtype=torch.int64, device=several.device)
    return several[objects, index][:, None]


def _to_map(sequence: Tensor, feat_size: tuple[int, int]) -> Tensor:
    """Bring a sequence (H * W, B, C) back to a map (B, C, H, W)."""
    return sequence.permute(1, 2, 0).unflatten(2, feat_size)


def _stack(tensors: list[Tensor], like: Tensor) -> Tensor:
    """Stack on a new first dimension; nothing to stack gives an empty tensor."""
    return torch.stack([tensor.to(like.device) for tensor in tensors]) if tensors else like.new_empty(0)


def _per_object(values: list[int], B: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """One value per memory, the same for all objects; (M, B)."""
    return torch.tensor(values, device=device, dtype=dtype)[:, None].expand(-1, B)
