"""The image encoder of SAM and MedSAM."""

from functools import partial

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn

from ...utils.checkpoint import check_fit

PATCH = 16
ARCHS = dict(
    vit_b=dict(width=768, depth=12, heads=12, global_attention=(2, 5, 8, 11)),
    vit_l=dict(width=1024, depth=24, heads=16, global_attention=(5, 11, 17, 23)),
    vit_h=dict(width=1280, depth=32, heads=16, global_attention=(7, 15, 23, 31)),
)


@MODELS.register_module()
class SAMImageEncoder(ImageEncoderViT, BaseModule):
    """The vision transformer of "Segment Anything" (Kirillov et al., ICCV 2023).

    It is segment-anything's ``ImageEncoderViT`` with its parameter names, patches of
    16x16 pixels and relative positions. MedSAM (Ma et al., Nat. Commun. 2024) has the
    ``'vit_b'``. SAM's mean and standard deviation of the pixels are not applied:
    MedSAM takes images scaled to [0, 1].

    A state dict that does not fit is an error when it is loaded, not a warning.

    Args:
        arch: ``'vit_b'``, ``'vit_l'``, ``'vit_h'``, or ``dict(width, depth, heads,
            global_attention)``: channels, number of blocks, heads of each, and the
            numbers of the blocks, from 0, that attend to the whole image.
        image_size: Height and width of the images in pixels, a multiple of 16.
        out_channels: Channels of the embedding.
        window_size: Height and width, in patches, of the windows to which the other
            blocks attend.
        init_cfg: As MMEngine has it.

    Raises:
        ValueError: If ``arch`` is not as said or its parts do not fit together, or
            ``image_size`` is not a multiple of 16.
    """

    def __init__(
        self,
        arch: str | dict = 'vit_b',
        image_size: int = 1024,
        out_channels: int = 256,
        window_size: int = 14,
        init_cfg: dict | list | None = None,
    ) -> None:
        parts = _find_arch(arch)
        if image_size < PATCH or image_size % PATCH:
            raise ValueError(
                f'image_size must be a multiple of {PATCH}, found {image_size}'
            )
        super().__init__(
            img_size=image_size,
            patch_size=PATCH,
            embed_dim=parts['width'],
            depth=parts['depth'],
            num_heads=parts['heads'],
            global_attn_indexes=tuple(parts['global_attention']),
            window_size=window_size,
            out_chans=out_channels,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
        )
        self.init_cfg = init_cfg
        self.register_load_state_dict_pre_hook(check_fit)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Return the embedding, (B, ``out_channels``, S / 16, S / 16), in a tuple.

        Args:
            images: (B, 3, S, S) floats in [0, 1], S being ``image_size``.

        Raises:
            ValueError: If the images are of another size.
        """
        wanted = (3, self.img_size, self.img_size)
        if tuple(images.shape[1:]) != wanted:
            raise ValueError(
                f'SAMImageEncoder: images are {tuple(images.shape[1:])}, wanted '
                f'{wanted}: the pipeline needs dict(type="Resize", scale={wanted[1:]}, '
                'keep_ratio=False), and ToThreeChannels for grey images'
            )
        return (super().forward(images),)


def _find_arch(arch: str | dict) -> dict:
    """Return the parts of an architecture, checked."""
    parts = ARCHS.get(arch) if isinstance(arch, str) else arch
    if parts is None or set(parts) != set(ARCHS['vit_b']):
        raise ValueError(
            f'arch must be one of {sorted(ARCHS)} or a dict of '
            f'{sorted(ARCHS["vit_b"])}, found {arch!r}'
        )
    if parts['depth'] < 1 or parts['width'] % parts['heads']:
        raise ValueError(
            'arch must have a depth from 1 and a width that its heads divide, found '
            f'{arch!r}'
        )
    beyond = [i for i in parts['global_attention'] if not 0 <= i < parts['depth']]
    if beyond:
        raise ValueError(
            f'arch has global_attention in the blocks {beyond}, wanted 0 to '
            f'{parts["depth"] - 1}'
        )
    return parts
