"""Pictures of cases during validation and testing."""

import re
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample
from PIL import Image

from ...evaluation.metrics.case_metric import EPISODE_CLASSES
from ...evaluation.scores import dice_score
from ...utils.class_masks import class_mask
from ...utils.pictures import case_picture
from .support_set import SupportSetHook


@HOOKS.register_module()
class CaseOverlayHook(Hook):
    """Draw some cases of each validation and test.

    Each picture has the image, the truth and the prediction as overlays, of classes
    that exclude each other (1, H, W) or of several that overlap (C, H, W), the DSC of
    each class in the title, a legend, and below them supports with their masks in
    outline: an episode's own, or those that :class:`SupportSetHook` gave the model.
    It goes to ``runner.visualizer``, which writes PNG files with
    ``LocalVisBackend`` and events with ``TensorboardVisBackend``, as
    ``<val or test>_<position>_<name>`` with the training iteration as step. In
    distributed runs the main process draws among its own share of the cases.

    Args:
        max_cases: How many cases are drawn, evenly spread over the data set.
        num_supports: How many supports a picture shows at most.

    Raises:
        ValueError: A number below 1 (``max_cases``) or 0 (``num_supports``).
    """

    # After the hooks that give the model its support set.
    priority = 'LOW'

    def __init__(self, max_cases: int = 8, num_supports: int = 8) -> None:
        if max_cases < 1 or num_supports < 0:
            raise ValueError(
                'CaseOverlayHook needs max_cases of 1 and num_supports of 0 or more, '
                f'got max_cases={max_cases}, num_supports={num_supports}'
            )
        self.max_cases = max_cases
        self.num_supports = num_supports
        self._training = False
        self._seen = 0
        self._chosen: set[int] = set()

    def before_train(self, runner: Runner) -> None:
        """Number the pictures by the training iteration from here on."""
        self._training = True

    def before_val_epoch(self, runner: Runner) -> None:
        """Choose the cases of a validation."""
        self._choose(len(runner.val_dataloader.dataset))

    def before_test_epoch(self, runner: Runner) -> None:
        """Choose the cases of a test."""
        self._choose(len(runner.test_dataloader.dataset))

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence[SegDataSample],
    ) -> None:
        """Draw the chosen cases of a validation batch."""
        self._draw_batch(runner, 'val', data_batch, outputs)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence[SegDataSample],
    ) -> None:
        """Draw the chosen cases of a test batch."""
        self._draw_batch(runner, 'test', data_batch, outputs)

    def _choose(self, length: int) -> None:
        share = ceil(length / get_world_size())
        spread = np.linspace(0, share - 1, min(self.max_cases, share))
        self._chosen = set(spread.round().astype(int).tolist())
        self._seen = 0

    def _draw_batch(
        self,
        runner: Runner,
        stage: str,
        data_batch: dict,
        outputs: Sequence[SegDataSample],
    ) -> None:
        inputs = _plain_inputs(data_batch)
        for index, sample in enumerate(outputs):
            position, self._seen = self._seen, self._seen + 1
            if position not in self._chosen or not is_main_process():
                continue
            name = _name(sample)
            picture = self._draw(runner, name, inputs, index, sample)
            # The name becomes a file name.
            label = re.sub(r'[^\w.-]+', '_', f'{stage}_{position:04d}_{name}')
            # Without training, runner.iter would build the training loop, which
            # reads the training data and sets the visualizer to its classes.
            step = runner.iter if self._training else 0
            runner.visualizer.add_image(label, picture, step=step)

    def _draw(
        self,
        runner: Runner,
        name: str,
        inputs: dict | Sequence[torch.Tensor],
        index: int,
        sample: SegDataSample,
    ) -> np.ndarray:
        """The picture of one case, RGB uint8."""
        truth, pred = (
            pixels.data.cpu().numpy()
            for pixels in (sample.gt_sem_seg, sample.pred_sem_seg)
        )
        if isinstance(inputs, dict):
            classes, palette = EPISODE_CLASSES, ((0, 0, 0), (255, 255, 255))
            image = inputs['img'][index]
            images, masks = (
                inputs['support_imgs'][index],
                inputs['support_masks'][index],
            )
            total = len(images)
            supports = [
                (image[0].cpu().numpy(), mask[0].cpu().numpy())
                for image, mask in zip(images, masks)
            ][: self.num_supports]
        else:
            meta = runner.visualizer.dataset_meta
            classes, palette = meta['classes'], meta['palette']
            image = inputs[index]
            supports, total = _hook_supports(runner, self.num_supports)
        if len(truth) == len(classes):  # a mask for each class
            known, truth, pred = (truth <= 1).all(0), truth == 1, pred == 1
        else:
            truth, pred = truth[0], pred[0]
            known = truth < len(classes)
        scores = [
            f'{c} {dice_score(known & class_mask(pred, i), class_mask(truth, i)):.3f}'
            for i, c in enumerate(classes)
            if c.lower() != 'background'
        ]
        return case_picture(
            _shown_image(image, sample.get('img_path'), truth.shape[-2:]),
            truth,
            pred,
            classes,
            palette,
            title=f'{name}    DSC: {", ".join(scores)}',
            supports=supports,
            support_title=f'Support: {len(supports)} of {total} images',
        )


def _plain_inputs(data_batch: dict) -> dict | Sequence[torch.Tensor]:
    """What went in, of test-time augmentation the images that are not flipped."""
    inputs = data_batch['inputs']
    if isinstance(inputs, dict) or not isinstance(inputs[0], Sequence):
        return inputs
    flipped = [views[0].get('flip') for views in data_batch['data_samples']]
    return inputs[flipped.index(False) if False in flipped else 0]


def _hook_supports(
    runner: Runner, count: int
) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
    """The first supports that a SupportSetHook of the run drew, and of how many."""
    for hook in runner.hooks:
        if isinstance(hook, SupportSetHook) and hook.support is not None:
            support = hook.support
            # One of each class in turn, the background's last: its images say least.
            first = support['subsets'][0].roll(-1, dims=0).T.flatten().tolist()
            chosen = list(dict.fromkeys(first))
            images, masks = support['images'][:, 0].numpy(), support['masks'].numpy()
            return [(images[i], masks[i]) for i in chosen[:count]], len(chosen)
    return [], 0


def _name(sample: SegDataSample) -> str:
    """What the data set calls a case."""
    if sample.get('task') is not None:
        return sample.task
    if sample.get('case_id') is not None:
        return f'{sample.case_id} slice {sample.get("slice_index")}'
    return Path(sample.get('img_path') or '').stem


def _shown_image(
    inputs: torch.Tensor, img_path: str | None, shape: tuple[int, int]
) -> np.ndarray:
    """The file in its colours where it is a plain image, else what the model saw.

    Args:
        inputs: The model's input, (C, h, w).
        img_path: The file it was loaded from, or a mere name.
        shape: (H, W) of the label maps.

    Returns:
        (H, W) float32 in [0, 1] or (H, W, 3) uint8.
    """
    grey = len(inputs) != 3
    try:
        with Image.open(img_path or '') as file:
            # Not colours but slices that lie behind each other.
            grey |= file.mode.startswith('I')
            if file.mode in ('L', 'P', 'RGB', 'RGBA') and file.size == shape[::-1]:
                return np.asarray(file.convert('RGB'))
    except OSError:
        pass  # No file, or one that only the data set's own loader reads.
    image = inputs.float().cpu().numpy()
    # Colour comes from MMSeg's loading, which is BGR.
    image = image[len(image) // 2] if grey else image[::-1].transpose(1, 2, 0)
    low, high = image.min(), image.max()
    image = (image - low) / max(high - low, 1e-6)
    return cv2.resize(image, shape[::-1], interpolation=cv2.INTER_LINEAR)
