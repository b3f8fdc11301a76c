"""Every experiment builds, trains two steps and validates, on its own data."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import yaml
from mmcv.transforms import Compose
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from PIL import Image

import mmseg_universeg
from mmseg_universeg.datasets.transforms.multi_label import read_multi_label_mask
from mmseg_universeg.weights import locate_weights

FOLDER = Path(mmseg_universeg.config_path('universeg_multi.py')).parent
CONFIGS = sorted(path.name for path in FOLDER.glob('*.py'))
# What an experiment loads that is not in the repository, and what stands in for it.
RELEASED = 'universeg_v1-released_wbc.py'
CONTINUED = {
    'universeg_wbc_finetune.py': 'work_dirs/universeg_multi/iter_4500.pth',
    'universeg_drawn-tasks_64x64.py': (
        'work_dirs/universeg_drawn-tasks_simple/iter_2000.pth'
    ),
    'universeg_drawn-tasks_64x64_harder.py': (
        'work_dirs/universeg_drawn-tasks_64x64/iter_1000.pth'
    ),
    'universeg_drawn-tasks_on-device.py': (
        'work_dirs/universeg_drawn-tasks_32x32/mean.pth'
    ),
    'universeg_drawn-tasks.py': 'work_dirs/universeg_drawn-tasks_32x32/mean.pth',
}
ADE20K = 'beit-b_upernet_uw-madison-gi.py'
CACHED = 'medsam_vit-b_decoder-cached_flare22.py'
SHIPPED = 'universeg_shipped_'
TOOLS = Path(__file__).parents[1] / 'tools'


def write_own_data(folder: Path) -> None:
    """Twelve bright squares on noise, with their masks."""
    rng = np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (folder / kind).mkdir(parents=True)
    for number in range(12):
        mask = np.zeros((40, 48), np.uint8)
        y, x = rng.integers(0, 20, 2)
        mask[y : y + 16, x : x + 16] = 255
        image = (mask // 2 + rng.integers(0, 60, mask.shape)).astype(np.uint8)
        Image.fromarray(image).save(folder / 'images' / f'{number}.png')
        Image.fromarray(mask).save(folder / 'masks' / f'{number}.png')


def write_flare22(folder: Path) -> None:
    """Two slices of two cases, each with two organs, as the converter writes them."""
    rng = np.random.default_rng(0)
    (folder / 'cases').mkdir(parents=True)
    for part in ('train', 'test'):
        for kind in ('images', 'masks'):
            (folder / part / kind).mkdir(parents=True)
        record = dict(name=part, spacing_of_axes_mm=[2.5, 0.8, 0.8])
        (folder / 'cases' / f'{part}.json').write_text(json.dumps(record))
        for index in range(2):
            mask = np.zeros((60, 70), np.uint8)
            mask[5:30, 5:25], mask[30:50, 20:60] = 1, 9
            image = 15 * mask + rng.integers(0, 60, mask.shape, np.uint8)
            for kind, pixels in (('images', image), ('masks', mask)):
                name = f'{part}_slice_{index:03d}.png'
                Image.fromarray(pixels).save(folder / part / kind / name)


def shrink_sam(cfg: Config, tmp_path: Path) -> None:
    """Images of 64x64, and nothing that takes long, in place."""
    cfg.model.decode_head.image_size = 64
    if cfg.model.backbone.type == 'SAMImageEncoder':
        cfg.model.backbone.image_size = 64
    if cfg.model.prompt == 'everything':
        cfg.model.generator.points_per_side = 4
    cfg.default_hooks.checkpoint.save_last = False  # ViT-B's are of a gigabyte
    cfg.load_from = None
    for dataloader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        if dataloader is None:
            continue
        dataset = dataloader.dataset
        if dataset.type == 'FLARE22Dataset':
            dataset.data_root = str(tmp_path / 'flare22')
        inner = [t for outer in dataset.pipeline for t in outer.get('transforms', [])]
        for transform in [*dataset.pipeline, *inner]:
            if transform.type == 'Resize':
                assert transform.scale == (cfg.image_size[0],) * 2
                transform.scale = (64, 64)
            elif transform.type == 'BoxPromptsFromMask':
                transform.min_area = 1  # objects shrink too
            elif transform.type == 'LoadImageEmbedding':
                transform.cache_dir = str(tmp_path / 'cache')


@pytest.fixture(scope='session')
def uw_madison(data_root, tmp_path_factory) -> Path:
    """The competition's slices as the converter writes them."""
    folder = tmp_path_factory.mktemp('uw_madison')
    tool = runpy.run_path(str(TOOLS / 'dataset_converters/uw_madison_gi.py'))
    source = data_root / 'uw_madison_gi'
    assert tool['main'](['prepare', str(source), '-o', str(folder / 'slices')]) == 0
    return folder / 'slices'


def shrink_transfer(cfg: Config, data: Path) -> None:
    """Images of 96x96, and two steps of one epoch, in place."""
    size = cfg.image_size
    assert size == (288, 288)
    scratch = '_scratch_' in cfg.filename
    assert cfg.train_dataloader.batch_size == (4 if scratch else 32)
    if 'img_size' in cfg.model.backbone:
        assert cfg.model.backbone.img_size == size
        cfg.model.backbone.img_size = (96, 96)
    for dataset in (cfg.train_dataloader.dataset, cfg.val_dataloader.dataset):
        dataset.data_root = str(data)
    for pipeline in (
        cfg.train_dataloader.dataset.pipeline,
        cfg.val_dataloader.dataset.pipeline,
        cfg.tta_pipeline,
    ):
        (resize,) = (t for t in pipeline if t.type == 'Resize')
        assert resize.scale == size
        resize.scale = (96, 96)
    # Two batches of two: one image alone has no statistics to normalise by.
    cfg.train_dataloader.dataset.indices = 4
    cfg.default_hooks.checkpoint.save_last = False  # up to two gigabytes
    cfg.default_hooks.checkpoint.interval = -1


def make_cache(cfg: Config, tmp_path: Path) -> None:
    """Fill the cache of an experiment by the experiment without it."""
    plain = Config.fromfile(mmseg_universeg.config_path(CACHED.replace('-cached', '')))
    shrink_sam(plain, tmp_path)
    plain.model.backbone.arch = dict(width=32, depth=2, heads=2, global_attention=(1,))
    plain.dump(tmp_path / 'plain.py')
    tool = runpy.run_path(str(TOOLS / 'cache_embeddings.py'))
    weights = MODELS.build(plain.model).state_dict()
    torch.save(weights, tmp_path / 'weights.pth')
    options = ['plain.py', 'weights.pth', '--out', 'cache']
    options[:2] = [str(tmp_path / name) for name in options[:2]]
    options[3] = str(tmp_path / 'cache')
    assert tool['main'](options) == 0
    cfg.load_from = str(tmp_path / 'weights.pth')


def shrink(node: object, own_data: Path, images: int) -> None:
    """Cut data sets and support sets to a few images, in place."""
    if isinstance(node, Config | ConfigDict):
        kind = node.get('type')
        if kind == 'InContextDataset' or (
            kind == 'SyntheticTasksDataset' and 'pipeline' in node
        ):
            node.update(support_size=2, length=4, batch_size=2)
        elif kind == 'SupportSetHook':
            node.update(size=2)
        elif 'split' in node:
            node.update(indices=images)
        if kind == 'ImageMaskFolderDataset':
            assert node.data_root == 'data/mine'
            node.update(data_root=str(own_data))
        for value in node.values():
            shrink(value, own_data, images)
    elif isinstance(node, list | tuple):
        for value in node:
            shrink(value, own_data, images)


def without_downloads(model: ConfigDict) -> None:
    """Start from scratch what starts from published weights by default."""
    backbone = model.get('backbone', {})
    if backbone.get('type') == 'TIMMBackbone':
        assert backbone.pretrained or backbone.model_name == 'convnext_atto'
        backbone.pretrained = False
    elif backbone.get('init_cfg'):
        scheme = backbone.init_cfg.checkpoint.split('://')[0]
        assert scheme in ('torchvision', 'mmcls', 'https')
        del backbone.init_cfg


@pytest.mark.parametrize('name', CONFIGS)
def test_trains_and_validates(name, tmp_path, data_root, parity_root, request):
    cfg = Config.fromfile(mmseg_universeg.config_path(name))
    write_own_data(tmp_path / 'mine')
    prompted = cfg.model.type.endswith('BoxPromptSegmentor')
    transfer = cfg.model.type == 'MultiLabelEncoderDecoder'
    in_context = not transfer and cfg.model.type not in (
        'EncoderDecoder',
        'BoxPromptSegmentor',
    )
    shrink(cfg, tmp_path / 'mine', 12 if in_context else 3)
    if prompted:
        write_flare22(tmp_path / 'flare22')
        shrink_sam(cfg, tmp_path)
    else:
        without_downloads(cfg.model)
    if transfer:
        shrink_transfer(cfg, request.getfixturevalue('uw_madison'))
    if name == CACHED:
        make_cache(cfg, tmp_path)
    cfg.work_dir = str(tmp_path / 'work_dir')
    # Some have nothing to train.
    trains = cfg.train_cfg is not None and cfg.model.type != 'MeanSupportMask'
    if cfg.train_cfg is not None:
        steps = (
            dict(max_epochs=1, val_interval=1)
            if transfer
            else dict(max_iters=2, val_interval=2)
        )
        cfg.train_cfg.update(steps)
        cfg.train_dataloader.update(
            batch_size=2, num_workers=0, persistent_workers=False
        )
    cfg.val_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.val_dataloader.batch_size = min(2, cfg.val_dataloader.batch_size)
    if name == RELEASED:
        released = locate_weights(cfg.load_from)
        assert released.startswith('https://github.com/JJGO/UniverSeg/releases/')
        cfg.load_from = (parity_root / 'universeg_v1_random.pt').as_uri()
    elif name.startswith(SHIPPED):
        assert cfg.load_from == 'mmseg_universeg://universeg_drawn-tasks'
    elif name in CONTINUED:
        assert cfg.load_from == CONTINUED[name]
        cfg.load_from = str(parity_root / 'universeg_v1_random.pt')
    elif name == ADE20K:
        assert cfg.load_from.startswith('https://mmassets.onedl.ai/mmsegmentation/')
        cfg.load_from = None
    elif 'in_context' in cfg.model:
        pretrained = cfg.model.in_context.init_cfg
        assert pretrained.checkpoint == 'work_dirs/universeg_multi/iter_4500.pth'
        pretrained.checkpoint = str(parity_root / 'universeg_v1_random.pt')
    runner = Runner.from_cfg(cfg)
    if trains:
        runner.train()
        assert runner.iter == 2
    else:
        runner.val()
    scores = runner.message_hub.log_scalars
    name = 'val/case/DSC' if 'val/case/DSC' in scores else 'val/box/DSC'
    assert scores[name].current() >= 0


def test_flips_are_averaged_and_drawn(tmp_path, uw_madison):
    cfg = Config.fromfile(
        mmseg_universeg.config_path('segformer_mit-b0_uw-madison-gi.py')
    )
    without_downloads(cfg.model)
    shrink_transfer(cfg, uw_madison)
    cfg.work_dir = str(tmp_path / 'work_dir')
    cfg.visualizer.name = 'flips'
    cfg.val_evaluator[0].output_dir = str(tmp_path / 'masks')
    plain = cfg.val_dataloader.dataset.pipeline
    # As tools/test.py does for --tta.
    cfg.test_evaluator = cfg.val_evaluator
    cfg.test_dataloader = cfg.val_dataloader
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.update(pipeline=cfg.tta_pipeline, indices=3)
    cfg.model = dict(**cfg.tta_model, module=cfg.model)
    runner = Runner.from_cfg(cfg)
    assert runner.test()['uw_madison/score'] > 0
    pictures = sorted(path.name for path in Path(runner.log_dir).rglob('test_*.png'))
    assert [name[:9] for name in pictures] == ['test_0000', 'test_0001', 'test_0002']
    model = runner.model.module
    dataset = runner.test_dataloader.dataset
    for index in range(3):
        sample = Compose(plain)(dataset.get_data_info(index))
        mean = 0
        for turn in (lambda maps: maps, lambda maps: maps.flip(-1)):
            inputs = turn(sample['inputs'])
            batch = dict(inputs=[inputs], data_samples=[sample['data_samples']])
            with torch.no_grad():
                (found,) = model.test_step(batch)
            mean = mean + turn(found.seg_logits.data).double().sigmoid() / 2
        name = Path(sample['data_samples'].img_path).name
        written = read_multi_label_mask(str(tmp_path / 'masks' / name))
        wrong = (written > 0) != (mean > 0.5).permute(1, 2, 0).numpy()
        # Where the mean is next to the threshold, rounding decides.
        assert not (wrong & ((mean - 0.5).abs() > 1e-5).permute(1, 2, 0).numpy()).any()


@pytest.mark.parametrize('name', CONFIGS)
def test_what_flips_has_a_model_that_averages(name):
    cfg = Config.fromfile(FOLDER / name)
    assert ('tta_model' in cfg) == ('tta_pipeline' in cfg)
    if 'tta_model' in cfg and 'out_channels' in cfg.model.decode_head:
        averages_one_logit = cfg.tta_model.type == 'SingleLogitTTAModel'
        assert averages_one_logit == (cfg.model.decode_head.out_channels == 1)


def test_flips_of_one_logit_are_averaged(tmp_path, data_root):
    cfg = Config.fromfile(mmseg_universeg.config_path('unetpp_dsb2018.py'))
    widths = (4, 4, 6, 6, 8)
    cfg.model.backbone.widths = cfg.model.decode_head.in_channels = widths
    cfg.work_dir, cfg.visualizer.name = str(tmp_path), 'flips of one logit'
    plain = cfg.test_dataloader.dataset.pipeline
    # As tools/test.py does for --tta.
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.update(pipeline=cfg.tta_pipeline, indices=3)
    cfg.model = dict(**cfg.tta_model, module=cfg.model)
    torch.manual_seed(0)
    runner = Runner.from_cfg(cfg)
    found = runner.test()['case/DSC']
    model, wanted = runner.model.module, []
    for index in range(3):
        info = runner.test_dataloader.dataset.get_data_info(index)
        sample = Compose(plain)(info)
        mean = 0
        for axes in ((), (-1,), (-2,)):
            batch = dict(
                inputs=[sample['inputs'].flip(axes)],
                data_samples=[sample['data_samples'].clone()],
            )
            with torch.no_grad():
                (result,) = model.test_step(batch)
            mean = mean + result.seg_logits.data[0].double().flip(axes) / 3
        predicted = mean > model.decode_head.threshold
        truth = sample['data_samples'].gt_sem_seg.data[0] == 1
        both = (predicted & truth).sum().item()
        wanted.append(2 * both / (predicted.sum() + truth.sum()).item())
    assert found == pytest.approx(np.mean(wanted), abs=1e-4)


@pytest.mark.parametrize(
    ('name', 'options', 'key'),
    [
        ('segformer_mit-b0_uw-madison-gi.py', {}, 'init_cfg.checkpoint'),
        (
            'upernet_convnext-s_uw-madison-gi.py',
            dict(model_name='convnext_atto'),
            'pretrained_cfg_overlay.file',
        ),
    ],
)
def test_backbones_start_from_a_file(tmp_path, name, options, key):
    cfg = Config.fromfile(mmseg_universeg.config_path(name))
    cfg.merge_from_dict({f'model.backbone.{k}': v for k, v in options.items()})
    backbone = cfg.model.backbone
    if backbone.type == 'TIMMBackbone':
        saved = timm.create_model('convnext_atto', pretrained=False).state_dict()
    else:
        saved = MODELS.build({**backbone, 'init_cfg': None}).state_dict()
    saved = {k: torch.randn_like(v) for k, v in saved.items()}
    torch.save(saved, tmp_path / 'weights.pth')
    cfg.merge_from_dict({f'model.backbone.{key}': str(tmp_path / 'weights.pth')})
    with DefaultScope.overwrite_default_scope('mmseg'):
        built = MODELS.build(cfg.model.backbone)
    built.init_weights()
    found = {
        k.removeprefix('timm_model.')
        .replace('stages_', 'stages.')
        .replace('stem_', 'stem.'): v
        for k, v in built.state_dict().items()
    }
    assert len(found) > 50
    assert all(torch.equal(v, saved[k]) for k, v in found.items())


def test_model_index_names_existing_configs():
    root = FOLDER.parent
    names = []
    for file in yaml.safe_load((root / 'model-index.yml').read_text())['Import']:
        for model in yaml.safe_load((root / file).read_text())['Models']:
            assert (root / model['Config']).is_file()
            assert Path(model['Config']).stem == model['Name']
            names.append(model['Name'])
    assert len(set(names)) == len(names)
