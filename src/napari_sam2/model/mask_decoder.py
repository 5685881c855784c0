"""From image features and prompt tokens to masks (SAM paper, section 3, "Mask decoder"; SAM 2 paper, section 4).

B objects · T tokens · N = H * W positions of the image features · C channels · K masks per prompt.
"""

from __future__ import annotations

from collections.abc import Callable

from napari_sam2.torch_threads import torch

from torch import Tensor, nn

from napari_sam2.model.attention import Attention
from napari_sam2.model.layers import MLP, LayerNorm2d
from napari_sam2.model.onednn import Conv2d, Linear


class TwoWayAttentionBlock(nn.Module):
    """Tokens attend to each other and to the image, then the image attends to the tokens (official ``transformer.py`` L108)."""

    def __init__(
        self,
        embedding_dim: int,
        num_heads: int,
        mlp_dim: int = 2048,
        activation: Callable[[], nn.Module] = nn.ReLU,
        attention_downsample_rate: int = 2,
        skip_first_layer_pe: bool = False,
    ) -> None:
        super().__init__()
        self.self_attn = Attention(embedding_dim, num_heads)
        self.norm1 = nn.LayerNorm(embedding_dim)
        self.cross_attn_token_to_image = Attention(embedding_dim, num_heads, attention_downsample_rate)
        self.norm2 = nn.LayerNorm(embedding_dim)
        self.mlp = MLP(embedding_dim, mlp_dim, embedding_dim, num_layers=2, activation=activation)
        self.norm3 = nn.LayerNorm(embedding_dim)
        self.norm4 = nn.LayerNorm(embedding_dim)
        self.cross_attn_image_to_token = Attention(embedding_dim, num_heads, attention_downsample_rate)
        self.skip_first_layer_pe = skip_first_layer_pe

    def forward(self, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor) -> tuple[Tensor, Tensor]:
        """Update tokens ``queries``, (B, T, C), and image ``keys``, (B, N, C)."""
        if self.skip_first_layer_pe:
            # parity: the first layer replaces the tokens, it adds nothing to them, official transformer.py L160
            queries = self.self_attn(queries, queries, queries)
        else:
            q = queries + query_pe
            queries = queries + self.self_attn(q, q, queries)
        queries = self.norm1(queries)

        k = keys + key_pe
        queries = self.norm2(queries + self.cross_attn_token_to_image(queries + query_pe, k, keys))
        queries = self.norm3(queries + self.mlp(queries))
        keys = self.norm4(keys + self.cross_attn_image_to_token(k, queries + query_pe, queries))
        return queries, keys


class TwoWayTransformer(nn.Module):
    """A stack of :class:`TwoWayAttentionBlock` and a last attention from tokens to image (official ``transformer.py`` L23)."""

    def __init__(
        self,
        depth: int,
        embedding_dim: int,
        num_heads: int,
        mlp_dim: int,
        activation: Callable[[], nn.Module] = nn.ReLU,
        attention_downsample_rate: int = 2,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayAttentionBlock(
                embedding_dim, num_heads, mlp_dim, activation, attention_downsample_rate, skip_first_layer_pe=i == 0
            )
            for i in range(depth)
        )
        self.final_attn_token_to_image = Attention(embedding_dim, num_heads, attention_downsample_rate)
        self.norm_final_attn = nn.LayerNorm(embedding_dim)

    def forward(self, image_embedding: Tensor, image_pe: Tensor, point_embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Relate image and tokens.

        Parameters
        ----------
        image_embedding, image_pe : Tensor
            (B, C, H, W); ``image_pe`` may have B = 1.
        point_embedding : Tensor
            (B, T, C).

        Returns
        -------
        queries : Tensor
            (B, T, C).
        keys : Tensor
            (B, N, C).
        """
        keys = image_embedding.flatten(2).transpose(1, 2)
        key_pe = image_pe.flatten(2).transpose(1, 2)
        queries = point_embedding
        for layer in self.layers:
            queries, keys = layer(queries, keys, query_pe=point_embedding, key_pe=key_pe)
        attended = self.final_attn_token_to_image(queries + point_embedding, keys + key_pe, keys)
        return self.norm_final_attn(queries + attended), keys


class MaskDecoder(nn.Module):
    """Predicts K masks, how good each is, a pointer token for each, and whether the object is there at all.

    Parameters
    ----------
    transformer_dim : int
        Channels C.
    transformer : TwoWayTransformer
        Relates tokens and image.
    num_multimask_outputs : int
        Masks for an ambiguous prompt, beside the one for an unambiguous one.
    activation : callable
        Of the upscaling.
    iou_head_depth, iou_head_hidden_dim : int
        Of the head that predicts the masks' IoU.
    use_high_res_features : bool
        Add the encoder's two finer levels while upscaling.
    iou_prediction_use_sigmoid : bool
        Keep predicted IoUs in 0 .. 1.
    dynamic_multimask_via_stability : bool
        In evaluation, replace a single mask that is unstable by the best of the others.
    dynamic_multimask_stability_delta, dynamic_multimask_stability_thresh : float
        Logit offset and threshold of that stability.
    pred_obj_scores, pred_obj_scores_mlp : bool
        Predict whether the object is on the frame, by an MLP.
    use_multimask_token_for_obj_ptr : bool
        Return the token of each mask, not only that of the first.

    Notes
    -----
    Official ``mask_decoder.py``.
    """

    def __init__(
        self,
        *,
        transformer_dim: int,
        transformer: TwoWayTransformer,
        num_multimask_outputs: int = 3,
        activation: Callable[[], nn.Module] = nn.GELU,
        iou_head_depth: int = 3,
        iou_head_hidden_dim: int = 256,
        use_high_res_features: bool = False,
        iou_prediction_use_sigmoid: bool = False,
        dynamic_multimask_via_stability: bool = False,
        dynamic_multimask_stability_delta: float = 0.05,
        dynamic_multimask_stability_thresh: float = 0.98,
        pred_obj_scores: bool = False,
        pred_obj_scores_mlp: bool = False,
        use_multimask_token_for_obj_ptr: bool = False,
    ) -> None:
        super().__init__()
        C = transformer_dim
        self.transformer_dim = C
        self.transformer = transformer
        self.num_multimask_outputs = num_multimask_outputs
        self.num_mask_tokens = num_multimask_outputs + 1
        self.iou_token = nn.Embedding(1, C)
        self.mask_tokens = nn.Embedding(self.num_mask_tokens, C)
        self.pred_obj_scores = pred_obj_scores
        if pred_obj_scores:
            self.obj_score_token = nn.Embedding(1, C)
            self.pred_obj_score_head = MLP(C, C, 1, 3) if pred_obj_scores_mlp else Linear(C, 1)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(C, C // 4, kernel_size=2, stride=2),
            LayerNorm2d(C // 4),
            activation(),
            nn.ConvTranspose2d(C // 4, C // 8, kernel_size=2, stride=2),
            activation(),
        )
        self.use_high_res_features = use_high_res_features
        if use_high_res_features:
            self.conv_s0 = Conv2d(C, C // 8, kernel_size=1)
            self.conv_s1 = Conv2d(C, C // 4, kernel_size=1)
        self.output_hypernetworks_mlps = nn.ModuleList(MLP(C, C, C // 8, 3) for _ in range(self.num_mask_tokens))
        self.iou_prediction_head = MLP(
            C, iou_head_hidden_dim, self.num_mask_tokens, iou_head_depth, sigmoid_output=iou_prediction_use_sigmoid
        )
        self.dynamic_multimask_via_stability = dynamic_multimask_via_stability
        self.dynamic_multimask_stability_delta = dynamic_multimask_stability_delta
        self.dynamic_multimask_stability_thresh = dynamic_multimask_stability_thresh
        self.use_multimask_token_for_obj_ptr = use_multimask_token_for_obj_ptr

    def forward(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        multimask_output: bool,
        repeat_image: bool,
        high_res_features: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predict masks for B prompts.

        Parameters
        ----------
        image_embeddings : Tensor
            (B, C, H, W), or (1, C, H, W) with ``repeat_image``.
        image_pe : Tensor
            (1, C, H, W).
        sparse_prompt_embeddings : Tensor
            (B, tokens, C).
        dense_prompt_embeddings : Tensor
            (B, C, H, W).
        multimask_output : bool
            Return the masks for an ambiguous prompt instead of the one for an unambiguous one.
        repeat_image : bool
            All prompts are about one image.
        high_res_features : list of Tensor, optional
            (B or 1, C / 8, 4H, 4W) and (B or 1, C / 4, 2H, 2W).

        Returns
        -------
        masks : Tensor
            (B, K, 4H, 4W), logits.
        iou_pred : Tensor
            (B, K).
        sam_tokens_out : Tensor
            (B, K, C), or (B, 1, C) for a single mask.
        object_score_logits : Tensor
            (B, 1), above 0 where the object is on the frame.
        """
        masks, iou_pred, mask_tokens, object_score_logits = self.predict_masks(
            image_embeddings, image_pe, sparse_prompt_embeddings, dense_prompt_embeddings, repeat_image, high_res_features
        )
        several_tokens = multimask_output and self.use_multimask_token_for_obj_ptr
        # parity: a single mask keeps the token of mask 0 even where stability replaces the mask, official mask_decoder.py L149
        tokens = mask_tokens[:, 1:] if several_tokens else mask_tokens[:, :1]
        if multimask_output:
            return masks[:, 1:], iou_pred[:, 1:], tokens, object_score_logits
        if self.dynamic_multimask_via_stability and not self.training:
            masks, iou_pred = self._dynamic_multimask_via_stability(masks, iou_pred)
        return masks[:, :1], iou_pred[:, :1], tokens, object_score_logits

    def predict_masks(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        repeat_image: bool,
        high_res_features: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predict all ``num_mask_tokens`` masks; see :meth:`forward`."""
        B = sparse_prompt_embeddings.shape[0]
        own = [self.iou_token.weight, self.mask_tokens.weight]
        if self.pred_obj_scores:
            own.insert(0, self.obj_score_token.weight)
        own_tokens = torch.cat(own, dim=0)
        tokens = torch.cat([own_tokens.expand(B, -1, -1), sparse_prompt_embeddings], dim=1)

        if not repeat_image and image_embeddings.shape[0] != B:
            raise ValueError(f"{B} prompts for {image_embeddings.shape[0]} images: give one image each, or repeat_image=True")
        src = image_embeddings + dense_prompt_embeddings
        H, W = src.shape[-2:]
        hs, keys = self.transformer(src, image_pe, tokens)
        first = 1 if self.pred_obj_scores else 0
        iou_token_out = hs[:, first]
        mask_tokens_out = hs[:, first + 1 : first + 1 + self.num_mask_tokens]

        upscaled = self._upscale(keys.transpose(1, 2).unflatten(2, (H, W)), high_res_features)
        hyper_in = torch.stack([mlp(mask_tokens_out[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        masks = (hyper_in @ upscaled.flatten(2)).unflatten(2, upscaled.shape[-2:])
        iou_pred = self.iou_prediction_head(iou_token_out)
        if self.pred_obj_scores:
            object_score_logits = self.pred_obj_score_head(hs[:, 0])
        else:
            object_score_logits = 10.0 * iou_pred.new_ones(B, 1)
        return masks, iou_pred, mask_tokens_out, object_score_logits

    def _upscale(self, src: Tensor, high_res_features: list[Tensor] | None) -> Tensor:
        """Enlarge (B, C, H, W) to (B, C / 8, 4H, 4W)."""
        up1, norm1, act1, up2, act2 = self.output_upscaling
        if not self.use_high_res_features:
            plain: Tensor = self.output_upscaling(src)
            return plain
        if high_res_features is None:
            raise ValueError("this decoder needs high_res_features")
        feat_s0, feat_s1 = high_res_features
        upscaled: Tensor = act2(up2(act1(norm1(up1(src) + feat_s1))) + feat_s0)
        return upscaled

    def _get_stability_scores(self, mask_logits: Tensor) -> Tensor:
        """Return the IoU of a mask cut a little above and a little below 0; (B, K)."""
        flat = mask_logits.flatten(-2)
        delta = self.dynamic_multimask_stability_delta
        inner = (flat > delta).sum(-1).float()
        outer = (flat > -delta).sum(-1).float()
        return torch.where(outer > 0, inner / outer, 1.0)

    def _dynamic_multimask_via_stability(self, all_masks: Tensor, all_ious: Tensor) -> tuple[Tensor, Tensor]:
        """Where mask 0 is unstable, take the best of the others (official ``mask_decoder.py`` L259-295)."""
        best = all_ious[:, 1:].argmax(dim=-1) + 1
        rows = torch.arange(all_masks.shape[0], dtype=torch.int64, device=all_masks.device)
        stable = self._get_stability_scores(all_masks[:, :1]) >= self.dynamic_multimask_stability_thresh
        masks = torch.where(stable[..., None, None], all_masks[:, :1], all_masks[rows, best][:, None])
        ious = torch.where(stable, all_ious[:, :1], all_ious[rows, best][:, None])
        return masks, ious
