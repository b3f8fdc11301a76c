"""SupportSetHook: what it draws, when, and what it refuses."""

import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope

from mmseg_universeg.engine import SupportSetHook


@pytest.fixture
def run(make_runner, support_cfg, test_cfg, make_files):
    """Validate once with a hook; gives the arguments of set_support."""
    tested = make_files('tested', 3)

    def call(root, hook=None, support=None, model=None, **kwargs):
        support = support or support_cfg(root)
        hook = hook or SupportSetHook(support, **kwargs)
        runner = make_runner(test_cfg(tested), [hook], model)
        runner.val()
        return runner.model.calls

    return call


def test_draws_images_that_hold_the_class(run, make_files):
    root = make_files('pool', 10, without_core=(0, 3, 4))
    ((images, masks, subsets, num_classes),) = run(root, size=5, num_ensembles=3)
    assert num_classes == 3
    assert subsets.shape == (3, 3, 5) and subsets.dtype == torch.int64
    assert images.dtype == torch.float32 and images.shape[1:] == (1, 32, 40)
    assert masks.dtype == torch.int64 and masks.shape == (len(images), 32, 40)
    assert images.min() >= 0 and images.max() <= 1
    for draw in subsets:
        for label, chosen in enumerate(draw.tolist()):
            assert len(set(chosen)) == 5
            assert all((masks[i] == label).any() for i in chosen)
    # Only what is used, each once, image and mask of one file.
    assert sorted(set(subsets.flatten().tolist())) == list(range(len(images)))
    assert len(np.unique(images.numpy(), axis=0)) == len(images)
    np.testing.assert_allclose(images[:, 0].numpy(), (40 + 80 * masks) / 255, rtol=1e-6)


def test_draw_depends_on_the_seed_alone(run, make_files):
    root = make_files('pool', 12)
    first, second, other = (run(root, size=4, seed=seed)[0] for seed in (7, 7, 8))
    for a, b in zip(first[:3], second[:3]):
        assert torch.equal(a, b)
    assert not all(torch.equal(a, b) for a, b in zip(first[:3], other[:3]))


def test_more_ensembles_keep_the_first(run, make_files):
    root = make_files('pool', 12)

    def draws(num_ensembles):
        images, _, subsets, _ = run(root, size=4, num_ensembles=num_ensembles)[0]
        return [[images[i].numpy() for i in c] for c in subsets[0].tolist()]

    np.testing.assert_array_equal(draws(1), draws(3))


def test_leaves_global_random_state(make_files, support_cfg, make_runner, test_cfg):
    """Else a training that validates would differ from one that does not."""
    hook = SupportSetHook(support_cfg(make_files('pool', 5)), size=2)
    runner = make_runner(test_cfg(make_files('tested', 2)), [hook])
    states = np.random.get_state()[1].copy(), torch.get_rng_state()
    hook.before_val(runner)
    assert np.array_equal(np.random.get_state()[1], states[0])
    assert torch.equal(torch.get_rng_state(), states[1])


def test_set_before_every_validation_and_test(
    make_runner, support_cfg, test_cfg, make_files
):
    pool = make_files('pool', 5)
    runner = make_runner(
        test_cfg(make_files('tested', 3)),
        [{'type': 'SupportSetHook', 'dataset': support_cfg(pool), 'size': 2}],
    )
    runner.val()
    shutil.rmtree(pool)  # Read once.
    runner.val()
    runner.test()
    calls = runner.model.calls
    assert len(calls) == 3
    assert all(torch.equal(calls[0][0], call[0]) for call in calls)


def test_wrapped_model(make_runner, support_cfg, test_cfg, make_files):
    hook = SupportSetHook(support_cfg(make_files('pool', 3)), size=2)
    runner = make_runner(test_cfg(make_files('tested', 2)), [hook])
    model = runner.model
    runner.model = torch.nn.DataParallel(model)
    hook.before_test(runner)
    assert len(model.calls) == 1


def test_too_few_images(run, make_files):
    root = make_files('pool', 6, without_core=(0, 1))
    with pytest.raises(
        ValueError, match=r"4 of its 6 images hold the class 'core', wanted 5; lower"
    ):
        run(root, size=5)


def test_class_that_no_image_holds(run, make_files):
    root = make_files('pool', 4, without_core=range(4))
    with pytest.raises(ValueError, match="0 of its 4 images hold the class 'core'"):
        run(root, size=1)


def test_masks_all_empty(run, make_files):
    root = make_files('pool', 3)
    for file in (root / 'masks').iterdir():
        cv2.imwrite(str(file), np.zeros((32, 40), np.uint8))
    with pytest.raises(ValueError, match='masks of all 3 images are empty'):
        run(root, size=1)


def test_no_images(run, make_files, support_cfg):
    support = support_cfg(make_files('pool', 0), serialize_data=False)
    with pytest.raises(ValueError, match='0 images, none with a label'):
        run(None, support=support, size=1)


def test_tested_image_in_support(make_runner, support_cfg, test_cfg, make_files):
    root = make_files('both', 4)
    runner = make_runner(test_cfg(root), [SupportSetHook(support_cfg(root), size=2)])
    with pytest.raises(ValueError, match=r'\d\d\.png: is in the support set and is'):
        runner.val()


def test_other_classes(run, make_files, support_cfg):
    root = make_files('pool', 4)
    metainfo = {'classes': ('background', 'core', 'ring')}
    with pytest.raises(ValueError, match='they must be the same'):
        run(root, support=support_cfg(root, metainfo=metainfo), size=2)


def test_images_of_another_form(run, make_files, support_cfg, dataset_cfg):
    root = make_files('pool', 4)

    def changed(**changes):
        def change(results):
            for key, function in changes.items():
                results[key] = function(results[key])
            return results

        cfg = support_cfg(root)
        cfg['pipeline'] = [*cfg['pipeline'], change]
        return cfg

    def nan(image):
        image[3, 3] = np.nan
        return image

    for support, message in (
        (changed(img=lambda x: x[..., None]), r'shape \(32, 40, 1\).*ToGrayscale'),
        (changed(img=lambda x: np.uint8(x * 255)), r'type uint8.*MinMaxNormalize'),
        (changed(img=lambda x: x * 3), r'00\.png: support image with values .*, want'),
        (changed(img=nan), r'00\.png: support image with values nan'),
        (changed(img=lambda x: x[1:]), r'label map \(32, 40\) and image \(31, 40\)'),
        (dataset_cfg(root, []), 'must load img and gt_seg_map'),
    ):
        with pytest.raises(ValueError, match=message):
            run(root, support=support, size=2)


def test_images_of_two_sizes(run, make_files):
    root = make_files('pool', 4)
    for folder in ('images', 'masks'):
        file = str(root / folder / '02.png')
        cv2.imwrite(file, cv2.imread(file, cv2.IMREAD_UNCHANGED)[:30])
    with pytest.raises(ValueError, match=r'02\.png: support image of size \(30, 40\)'):
        run(root, size=4)


def test_model_without_set_support(run, make_files):
    class Plain(BaseModel):
        def forward(self, inputs, data_samples=None, mode='tensor'):
            return data_samples

    with pytest.raises(TypeError, match='with set_support, such as UniverSeg; got Pl'):
        run(make_files('pool', 2), model=Plain(), size=1)


@pytest.mark.parametrize('kwargs', [{'size': 0}, {'num_ensembles': 0}])
def test_bad_arguments(kwargs):
    init_default_scope('mmseg')
    with pytest.raises(ValueError, match='of 1 or more'):
        SupportSetHook({'type': 'BaseSegDataset'}, **kwargs)
