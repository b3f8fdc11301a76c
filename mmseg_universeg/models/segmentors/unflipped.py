"""Which sample of a test-time augmentation fits the truth."""

from collections.abc import Sequence

from mmseg.structures import SegDataSample


def unflipped(samples: Sequence[SegDataSample]) -> SegDataSample:
    """Return the first sample of an image that was not flipped.

    Predictions are turned back to the original image, the truth is not: the pipeline
    flips it with the image.

    Raises:
        ValueError: If all samples were flipped.
    """
    for sample in samples:
        if not sample.metainfo.get('flip'):
            return sample
    raise ValueError(
        f'{samples[0].metainfo.get("img_path")}: every image of the test-time '
        'augmentation is flipped, wanted one that is not, for its truth'
    )
