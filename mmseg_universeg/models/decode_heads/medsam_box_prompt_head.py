"""The prompt encoder and the mask decoder of SAM and MedSAM."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from ...utils.checkpoint import check_fit

# Numbers in the embeddings that are decoded at a time for a prediction, two or 64 of
# MedSAM's: what stays in a CPU's cache, which is 1.6 times as fast as many; what fills
# a GPU.
CPU_CHUNK, GPU_CHUNK = 2**21, 2**26


@MODELS.register_module()
class MedSAMBoxPromptHead(BaseModule):
    """One mask for each prompt, from the embedding of the image.

    "Segment Anything" (Kirillov et al., ICCV 2023, appendix A) as MedSAM (Ma et al.,
    Nat. Commun. 2024) trains it: one mask per prompt, not three to choose from.
    Prompt encoder and mask decoder are segment-anything's, with its parameter names.
    The decoder is called for one image after the other, so that images may have
    different numbers of prompts.

    Prompts are embedded in float32 under autocast too: in
    half precision a box of a large image would move by pixels.

    A state dict that does not fit is an error when it is loaded, not a warning.

    Args:
        image_size: Height and width of the images in pixels, a multiple of 16.
        channels: Channels of the embedding.
        depth: Number of the decoder's two-way attention blocks.
        num_heads: Attention heads; twice their number divides ``channels``.
        mlp_channels: Hidden channels of the blocks.
        loss_decode: Loss of binary logits (N, 1, S, S) and labels (N, S, S), at the
            size of the image; by default MedSAM's.
        init_cfg: As MMEngine has it.

    Raises:
        ValueError: If ``image_size`` is not a multiple of 16.
    """

    def __init__(
        self,
        image_size: int = 1024,
        channels: int = 256,
        depth: int = 2,
        num_heads: int = 8,
        mlp_channels: int = 2048,
        loss_decode: dict = dict(  # noqa: B006
            type='HybridDiceCELoss', squared=True, per_image=True, smooth=1e-5
        ),
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if image_size < 16 or image_size % 16:
            raise ValueError(f'image_size must be a multiple of 16, found {image_size}')
        self.image_size = image_size
        self.channels = channels
        self.grid = image_size // 16
        self.prompt_encoder = PromptEncoder(
            embed_dim=channels,
            image_embedding_size=(self.grid, self.grid),
            input_image_size=(image_size, image_size),
            mask_in_chans=16,
        )
        self.mask_decoder = MaskDecoder(
            transformer_dim=channels,
            transformer=TwoWayTransformer(
                depth=depth,
                embedding_dim=channels,
                mlp_dim=mlp_channels,
                num_heads=num_heads,
            ),
            iou_head_hidden_dim=channels,
        )
        self.loss_decode = MODELS.build(loss_decode)
        self.register_load_state_dict_pre_hook(check_fit)

    def forward(
        self,
        embedding: Tensor,
        boxes: Tensor | None = None,
        points: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Decode the prompts of one image, N boxes or N sets of points.

        Args:
            embedding: (``channels``, S / 16, S / 16), S being ``image_size``.
            boxes: (N, 4) x1, y1, x2, y2 in pixels of the image; N may be 0.
            points: (N, P, 2) x, y of pixels, counted from 0, and (N, P) labels: 1 on
                the object, 0 beside it, -1 for no point.

        Returns:
            Logits (N, S / 4, S / 4), and the predicted IoU of the masks (N,).

        Raises:
            ValueError: If the embedding is of another size.
        """
        wanted = (self.channels, self.grid, self.grid)
        if tuple(embedding.shape) != wanted:
            raise ValueError(
                f'MedSAMBoxPromptHead: the embedding is {tuple(embedding.shape)}, '
                f'wanted {wanted} for image_size={self.image_size}'
            )
        number = len(boxes if points is None else points[0])
        if not number:
            # The decoder takes no empty batch, and without it distributed training
            # would wait for its gradients: a prompt that is dropped again.
            if points is None:
                boxes = boxes.new_ones(1, 4)
            else:
                points = tuple(part.new_ones(1, *part.shape[1:]) for part in points)
        with torch.autocast(embedding.device.type, enabled=False):
            sparse, dense = self.prompt_encoder(points=points, boxes=boxes, masks=None)
            positions = self.prompt_encoder.get_dense_pe()
        # Where gradients are kept, cutting the batch would save nothing.
        at_once = len(sparse)
        if not torch.is_grad_enabled():
            chunk = CPU_CHUNK if embedding.device.type == 'cpu' else GPU_CHUNK
            at_once = max(1, chunk // embedding.numel())
        parts = [
            self.mask_decoder(
                image_embeddings=embedding.unsqueeze(0),
                image_pe=positions,
                sparse_prompt_embeddings=sparse[start : start + at_once],
                dense_prompt_embeddings=dense[start : start + at_once],
                multimask_output=False,
            )
            for start in range(0, len(sparse), at_once)
        ]
        logits, ious = (torch.cat(part)[:number].squeeze(1) for part in zip(*parts))
        return logits, ious

    def unreached(self, by_box: bool) -> list[nn.Module]:
        """Return the parts that no loss reaches.

        They are the branch that predicts the IoU, the encoder of prompts that are
        masks, and the embeddings of points, or of boxes.

        Args:
            by_box: Whether prompts are boxes, or points.
        """
        encoder = self.prompt_encoder
        background, foreground, *corners = encoder.point_embeddings
        points = [background, foreground, encoder.not_a_point_embed]
        return [
            self.mask_decoder.iou_prediction_head,
            encoder.mask_downscaling,
            *(points if by_box else corners),
        ]

    def loss(self, logits: Sequence[Tensor], masks: Sequence[Tensor]) -> dict:
        """Return the loss of a batch by name: the mean over all its prompts.

        A batch without any prompt costs 0.

        Args:
            logits: (N, S / 4, S / 4) of each image, as `forward` gives them.
            masks: (N, S, S) of 0 and 1 of each image, integers or bool.
        """
        logits, masks = torch.cat(list(logits)), torch.cat(list(masks))
        name = self.loss_decode.loss_name
        if not len(logits):
            return {name: logits.sum()}
        return {name: self.loss_decode(self.upsample(logits), masks)}

    def upsample(self, logits: Tensor) -> Tensor:
        """Return logits (N, h, w) bilinearly at the image's size, (N, 1, S, S)."""
        size = (self.image_size, self.image_size)
        return F.interpolate(
            logits.unsqueeze(1), size, mode='bilinear', align_corners=False
        )
