r"""Draw what a vision transformer attends to, over the image, as a PNG.

    python tools/visualize_attention.py configs/dpt_vit-b16_uw-madison-gi.py \
        work_dirs/dpt/epoch_6.pth data/.../slice.png --organ stomach
    python tools/visualize_attention.py ... --pixel 120 95 --layers 1 6 12

For BEiT, the ViT of DPT, and SegFormer. A row for each layer shows its heads' attention
from the pixel, or the mean of that from all pixels predicted as the organ. The last
row is attention rollout (Abnar and Zuidema, ACL 2020): the way back from the last
layer, for SegFormer from the end of each stage, through all layers to the first
patches. A number above each map is its largest share; the cyan line is around the
pixels asked about.

IMAGE is one of the config's test or training images, loaded as in testing.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DefaultScope
from mmseg.models.segmentors import BaseSegmentor
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from mmseg_universeg.models import MultiLabelEncoderDecoder
from mmseg_universeg.utils.attention import (
    Stage,
    check_size,
    head_maps,
    patch_shares,
    recorded_attention,
    rollout_map,
)
from mmseg_universeg.utils.attention_picture import attention_picture
from mmseg_universeg.utils.checkpoint import load_weights
from mmseg_universeg.utils.config import resolve_config
from mmseg_universeg.utils.whole_files import whole_file


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    args = parse_args(arguments)
    try:
        if args.out.exists():
            raise ValueError(f'{args.out}: is there already, give another by --out')
        cfg = read_config(args.config, args.cfg_options)
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmseg')):
            model = build_model(cfg, args.checkpoint).to(args.device)
            packed, dataset = find_image(cfg, args.image)
            picture = draw(model, packed, dataset.metainfo['classes'], args)
        with whole_file(args.out) as file:
            Image.fromarray(picture).save(file, format='PNG')
    except (OSError, ValueError, TypeError) as error:
        print(f'visualize_attention.py: {error}', file=sys.stderr)
        return 1
    print(args.out)
    return 0


def parse_args(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('image', type=Path, help='file of one of the images')
    region = parser.add_mutually_exclusive_group(required=True)
    region.add_argument(
        '--pixel', nargs=2, type=int, metavar=('X', 'Y'), help='column and row, from 0'
    )
    region.add_argument('--organ', help='class, where the model predicts it')
    parser.add_argument(
        '--layers', nargs='+', type=int, help='which, from 1; by default all'
    )
    parser.add_argument('--out', type=Path, default=Path('attention.png'))
    parser.add_argument('--device', default='cpu', help="'cpu' or 'cuda'")
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    return parser.parse_args(arguments)


def read_config(name: str, options: dict) -> Config:
    """Read a config, also one of a package."""
    with tempfile.TemporaryDirectory(prefix='mmseg_universeg_') as folder:
        cfg = Config.fromfile(resolve_config(name, folder))
    cfg.merge_from_dict(options)
    return cfg


def build_model(cfg: Config, checkpoint: str) -> BaseSegmentor:
    """Build the segmentor with the weights of a checkpoint, for testing.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it does not fit.
    """
    if cfg.model.backbone.get('pretrained'):
        cfg.model.backbone.pretrained = False  # nothing is downloaded
    model = MODELS.build(cfg.model)
    try:
        model.load_state_dict(load_weights(checkpoint))
    except RuntimeError as error:
        raise ValueError(f'{checkpoint}: does not fit the config: {error}') from error
    return model.eval()


def find_image(cfg: Config, path: Path) -> tuple[dict, BaseDataset]:
    """Load one of a config's images as in testing.

    Returns:
        ``inputs`` and ``data_samples``, and the data set it is of.

    Raises:
        ValueError: If neither the test nor the training data have it.
    """
    pipeline = Compose(cfg.test_dataloader.dataset.pipeline)
    for loader in (cfg.test_dataloader, cfg.train_dataloader):
        dataset = DATASETS.build(loader.dataset)
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            if Path(info['img_path']).resolve() == path.resolve():
                return pipeline(info), dataset
    raise ValueError(
        f"{path}: is neither among the config's test images nor among its training "
        f'images, which are like {info["img_path"]}'
    )


@torch.no_grad()
def draw(
    model: BaseSegmentor, packed: dict, classes: list[str], args: argparse.Namespace
) -> np.ndarray:
    """Return the picture, RGB uint8.

    Args:
        model: In testing mode.
        packed: The image.
        classes: Their names.
        args: With ``pixel``, ``organ`` and ``layers``.

    Raises:
        TypeError: If the backbone has no attention that is known.
        ValueError: If the pixel is outside the image, there is no such organ or layer,
            or the model predicts the organ nowhere.
    """
    batch = dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
    batch = model.data_preprocessor(batch)
    with recorded_attention(model.backbone) as stages:
        (sample,) = model(**batch, mode='predict')
    if args.pixel:
        region, name = pixel_region(sample, *args.pixel), f'pixel {tuple(args.pixel)}'
    else:
        multi_label = isinstance(model, MultiLabelEncoderDecoder)
        region = organ_region(sample, classes, args.organ, multi_label)
        name = f'{args.organ}, predicted'
    # On the image as it went in: resized, and padded at the right and at the bottom.
    size = packed['inputs'].shape[1:]
    region = F.adaptive_max_pool2d(region[None].float(), size)[0]
    whole = batch['inputs'].shape[2:]
    check_size(stages, whole)
    region = F.pad(region, (0, whole[1] - size[1], 0, whole[0] - size[0]))
    return attention_picture(
        shown_image(batch['inputs'][0]),
        region.cpu().numpy() > 0,
        rows_of(stages, region, args.layers),
        title=f'{args.image.name}: attention from {name}',
    )


def pixel_region(sample: SegDataSample, x: int, y: int) -> Tensor:
    """Return a mask (H, W) of one pixel of the original image.

    Raises:
        ValueError: If it is outside.
    """
    height, width = sample.metainfo['ori_shape'][:2]
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(
            f'--pixel {x} {y} is outside the image, {width} wide and {height} high'
        )
    region = torch.zeros(height, width, device=sample.seg_logits.data.device)
    region[y, x] = 1
    return region


def organ_region(
    sample: SegDataSample, classes: list[str], organ: str, multi_label: bool
) -> Tensor:
    """Return a mask (H, W) of where the model predicts an organ.

    Raises:
        ValueError: If there is no such organ, or it is predicted nowhere.
    """
    if organ not in classes:
        raise ValueError(f'--organ must be one of {list(classes)}, found {organ!r}')
    index, found = list(classes).index(organ), sample.pred_sem_seg.data
    region = found[index] if multi_label else found[0] == index
    if not region.any():
        raise ValueError(
            f'the model predicts {organ!r} nowhere in this image; give another, or a '
            '--pixel'
        )
    return region


def shown_image(inputs: Tensor) -> np.ndarray:
    """Return the middle channel of what went in, (H, W) floats in [0, 1]."""
    image = inputs[len(inputs) // 2].float().cpu().numpy()
    low, high = image.min(), image.max()
    return (image - low) / max(high - low, 1e-6)


def rows_of(
    stages: list[Stage], region: Tensor, layers: list[int] | None
) -> list[tuple[str, list[tuple[str, np.ndarray]]]]:
    """Return the heads' maps of each layer, and rollout, with their names.

    Raises:
        ValueError: If there is no such layer.
    """
    total = sum(len(stage.layers) for stage in stages)
    chosen = layers or range(1, total + 1)
    if not set(chosen) <= set(range(1, total + 1)):
        raise ValueError(f'--layers must be from 1 to {total}, found {layers}')
    rows, rollout, number = [], [], 0
    for place, stage in enumerate(stages, 1):
        shares = patch_shares(region, stage)
        for layer in range(len(stage.layers)):
            number += 1
            if number in chosen:
                maps = head_maps(stage, layer, shares).cpu().numpy()
                heads = [(f'head {head}', map) for head, map in enumerate(maps, 1)]
                rows.append((f'layer {number}', heads))
        name = f'stage {place}' if len(stages) > 1 else ''
        rollout.append((name, rollout_map(stages[:place], shares).cpu().numpy()))
    return [*rows, ('rollout', rollout)]


if __name__ == '__main__':
    sys.exit(main())
