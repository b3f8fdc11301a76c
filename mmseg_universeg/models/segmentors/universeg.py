"""UniverSeg: a network that learns a segmentation task from its support set."""

from collections.abc import Sequence

import torch
from mmseg.models.losses import DiceLoss
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ...utils.checkpoint import check_fit
from ..layers.cross_conv import CrossBlock, NamedConv
from ..layers.cross_unet import cut_supports, decode, encode
from ..layers.kept_maps import KeptMaps
from .in_context_segmentor import Episode, InContextSegmentor
from .safe_pretrained import SafePretrained
from .support_memory import SupportDraw

# Pixels of the query-support pairs in a chunk: what stays in a CPU's cache (and below
# the size from which the C library maps every allocation anew); what fills a GPU.
CPU_CHUNK, GPU_CHUNK = 2**16, 2**20


@MODELS.register_module()
class UniverSeg(SafePretrained, InContextSegmentor):
    """UniverSeg (Butoi et al., ICCV 2023), by default as published ("v1").

    A U-Net over cross blocks, without normalisation layers. Same function and same
    parameter names as the authors' code, in about a fifth of the operations (see
    `CrossBlock` and `cross_unet`).

    Height and width must be divisible by `2 ** (len(features) - 1)`.

    Args:
        features: channels of each encoder level; the decoder mirrors them.
        nonlinearity: 'LeakyReLU' (slope 0.01) or 'ReLU', after each 3x3 convolution.
        cross_nonlinearity: one of the same after the cross convolution. The paper's
            formula has it, the published network does not. With it the supports'
            part costs about three times as much.
        out_conv: whether a 1x1 convolution makes the logit (as published); otherwise
            the last block's query convolution does.
        num_classes: see `InContextSegmentor`.
        support_chunk: largest number of query-support pairs worked on at a time;
            None: 4 of 128x128 on a CPU, 64 elsewhere, of other sizes as many as
            have the same pixels. The result does not depend on it.
        kept_maps_mb: largest memory in MiB for the first block's maps of a support
            set, kept from query to query; what does not fit is computed each time.
        temperature: see `InContextSegmentor`.
        save_support: see `InContextSegmentor`.
        loss_decode: loss or list of losses of binary logits (B, 1, H, W) and
            labels (B, H, W); by default `SoftDiceLoss` and binary cross-entropy.
        data_preprocessor: see `InContextSegmentor`.
        init_cfg: as MMEngine has it; `dict(type='Pretrained', checkpoint=...)`
            takes a path, URL or name (`mmseg_universeg.weights`) and must fit exactly.
        background: see `InContextSegmentor`.
    """

    def __init__(
        self,
        features: Sequence[int] = (64, 64, 64, 64),
        nonlinearity: str = 'LeakyReLU',
        cross_nonlinearity: str | None = None,
        out_conv: bool = True,
        num_classes: int | None = None,
        support_chunk: int | None = None,
        kept_maps_mb: float = 1024,
        temperature: float = 10.0,
        save_support: bool = False,
        loss_decode: dict | list[dict] = (
            dict(type='SoftDiceLoss'),
            dict(type='CrossEntropyLoss', use_sigmoid=True),
        ),
        data_preprocessor: dict | None = None,
        init_cfg: dict | list | None = None,
        background: str = 'in_context',
    ):
        super().__init__(
            num_classes,
            temperature,
            save_support,
            data_preprocessor,
            init_cfg,
            background,
        )
        if len(features) < 2 or min(features) < 1:
            raise ValueError(
                f'features must be at least two positive widths, got {features}'
            )
        if support_chunk is not None and support_chunk < 1:
            raise ValueError(f'support_chunk must be at least 1, got {support_chunk}')
        self.support_chunk = support_chunk
        self.kept_maps = KeptMaps(kept_maps_mb)
        kinds = (nonlinearity, cross_nonlinearity)
        self.enc_blocks = nn.ModuleList()
        query, support = 1, 2
        for width in features:
            self.enc_blocks.append(CrossBlock(query, support, width, *kinds))
            query = support = width
        self.dec_blocks = nn.ModuleList()
        below = features[-1]
        for level, width in enumerate(features[-2::-1]):
            last = level == len(features) - 2
            logit = 1 if last and not out_conv else None
            joined = below + width
            block = CrossBlock(joined, joined, width, *kinds, logit, last)
            self.dec_blocks.append(block)
            below = width
        self.out_conv = NamedConv(features[0], 1, 1) if out_conv else None
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)
        # The layout in which convolutions of few channels are fastest, on a CPU
        # several times; inputs follow the weights.
        self.to(memory_format=torch.channels_last)
        self.loss_decode = build_losses(loss_decode)
        self.register_load_state_dict_pre_hook(check_fit)

    @property
    def divisor(self) -> int:
        """What height and width must be divisible by."""
        return 2 ** (len(self.enc_blocks) - 1)

    def encode(
        self, images: Tensor, support_images: Tensor, support_masks: Tensor
    ) -> tuple[list, list]:
        """Run the encoder, after checks of the sizes."""
        self._check_size(images)
        if support_images.shape[-2:] != images.shape[-2:]:
            raise ValueError(
                f'supports are {tuple(support_images.shape[-2:])}, the query is '
                f'{tuple(images.shape[-2:])}'
            )
        if support_masks.shape != support_images.shape or support_images.dim() != 5:
            raise ValueError(
                'support images and masks must both be (B, S, 1, H, W), got '
                f'{tuple(support_images.shape)} and {tuple(support_masks.shape)}'
            )
        if not support_images.shape[1]:
            raise ValueError('an episode needs at least one support, got 0')
        supports = cut_supports(
            support_images, support_masks, len(images), self._chunk_of(images)
        )
        return encode(self.enc_blocks, images, supports)

    def _check_size(self, images: Tensor) -> None:
        height, width = images.shape[-2:]
        if height % self.divisor or width % self.divisor:
            raise ValueError(
                f'height and width must be divisible by {self.divisor} '
                f'({len(self.enc_blocks)} levels), got {height}x{width}'
            )

    def _chunk_of(self, images: Tensor) -> int:
        pixels = CPU_CHUNK if images.device.type == 'cpu' else GPU_CHUNK
        return self.support_chunk or max(1, pixels // images[0].numel())

    def logits(
        self, images: Tensor, support_images: Tensor, support_masks: Tensor
    ) -> Tensor:
        """Logits (B, 1, H, W) of binary episodes.

        Args:
            images: queries (B, 1, H, W), float in [0, 1].
            support_images: (B, S, 1, H, W), float in [0, 1].
            support_masks: (B, S, 1, H, W), in {0, 1}.

        Raises:
            ValueError: if sizes are not divisible as the depth demands, differ
                between query and supports, or there is no support.
        """
        skips, supports = self.encode(images, support_images, support_masks)
        return self._head(decode(self.dec_blocks, skips, supports))

    def _head(self, maps: Tensor) -> Tensor:
        return maps if self.out_conv is None else self.out_conv(maps)

    def extract_feat(self, inputs: Episode) -> tuple[Tensor, ...]:
        """The query maps of every encoder level, the finest first."""
        skips, _ = self.encode(*unpack(inputs))
        return tuple(skips)

    def _forward(
        self, inputs: Tensor | Episode, data_samples: list | None = None
    ) -> Tensor:
        """Binary logits of episodes; of ordinary images as `encode_decode`."""
        if isinstance(inputs, dict):
            return self.logits(*unpack(inputs))
        return self.encode_decode(inputs)

    def episode_probability(self, episode: Episode) -> Tensor:
        """Foreground probability (B, 1, H, W) of episodes."""
        return self.logits(*unpack(episode)).float().sigmoid()

    def draw_probability(self, images: Tensor, draw: SupportDraw) -> Tensor:
        """Probability (B, 1, H, W) of one class in images (B, 1, H, W)."""
        self._check_size(images)
        supports = cut_supports(
            draw.images.unsqueeze(0),
            draw.masks.unsqueeze(0),
            len(images),
            self._chunk_of(images),
        )
        first = self.enc_blocks[0]
        kept = None
        if first.split:
            self.kept_maps.refresh(first, self.support_memory.version)
            kept = self.kept_maps.get(draw.index, first, supports.chunks)
            supports.chunks = kept or supports.chunks
        skips = encode(self.enc_blocks, images, supports, linear=kept is not None)
        return self._head(decode(self.dec_blocks, *skips)).float().sigmoid()

    def loss(
        self, inputs: Episode, data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        """The configured losses of a batch of episodes, and its Dice score `dice`.

        Raises:
            TypeError: if the inputs are not episodes.
        """
        if not isinstance(inputs, dict):
            raise TypeError(
                'UniverSeg learns from episodes: train it on an InContextDataset or '
                'SyntheticTasksDataset, whose pipeline ends in PackEpisodeInputs'
            )
        logits = self.logits(*unpack(inputs))
        labels = torch.cat([sample.gt_sem_seg.data for sample in data_samples])
        losses = {loss.loss_name: loss(logits, labels) for loss in self.loss_decode}
        return {**losses, 'dice': hard_dice(logits, labels)}


def unpack(episode: Episode) -> tuple[Tensor, Tensor, Tensor]:
    """Query images, support images and support masks of a batch of episodes."""
    return episode['img'], episode['support_imgs'], episode['support_masks']


def build_losses(cfg: dict | Sequence[dict]) -> nn.ModuleList:
    """Build one or several losses of binary logits.

    Raises:
        ValueError: if two have one name, or one is MMSeg's `DiceLoss`, which is
            inverted for a single output channel.
    """
    losses = nn.ModuleList(
        MODELS.build(one) for one in ([cfg] if isinstance(cfg, dict) else cfg)
    )
    names = [loss.loss_name for loss in losses]
    if len(set(names)) < len(names):
        raise ValueError(f'losses need different names, got {names}: set loss_name')
    if any(isinstance(loss, DiceLoss) for loss in losses):
        raise ValueError(
            "MMSeg's DiceLoss is inverted for one output channel; use SoftDiceLoss"
        )
    return losses


@torch.no_grad()
def hard_dice(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean Dice score of `logits > 0` (B, 1, H, W) with labels (B, H, W).

    An image with nothing to find and nothing found scores 1.
    """
    predicted, wanted = (logits > 0).flatten(1), (labels > 0).flatten(1)
    both = (predicted & wanted).sum(1)
    total = predicted.sum(1) + wanted.sum(1)
    return torch.where(total > 0, 2 * both / total.clamp(min=1), 1.0).mean()
