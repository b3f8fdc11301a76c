"""Masks of everything in an image, and which object each of them is."""

from types import SimpleNamespace

import numpy as np
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import Sam
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor

from ..decode_heads import MedSAMBoxPromptHead


class StretchToSquare(ResizeLongestSide):
    """Coordinates of an image that was stretched to a square."""

    def apply_coords(
        self, coords: np.ndarray, original_size: tuple[int, int]
    ) -> np.ndarray:
        """Return coordinates (..., 2) x, y in pixels of the square."""
        height, width = original_size
        return coords * (self.target_length / np.array([width, height]))


class EmbeddedPredictor(SamPredictor):
    """segment-anything's predictor for one image that has its embedding already.

    It gives one mask for each point, the one that MedSAM trains, where the generator
    asks for three.

    Args:
        sam: segment-anything's model; its image encoder is only asked for the size.
        embedding: (C, S / 16, S / 16).
    """

    def __init__(self, sam: Sam, embedding: Tensor) -> None:
        super().__init__(sam)
        self.transform = StretchToSquare(sam.image_encoder.img_size)
        self.embedding = embedding.unsqueeze(0)

    def set_image(self, image: np.ndarray, image_format: str = 'RGB') -> None:
        """Take the embedding for the image, of which only the size matters."""
        self.features = self.embedding
        self.original_size = image.shape[:2]
        self.input_size = (self.transform.target_length,) * 2
        self.is_image_set = True

    def predict_torch(
        self,
        point_coords: Tensor,
        point_labels: Tensor,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict one mask for each point, whatever ``multimask_output`` is."""
        return super().predict_torch(
            point_coords,
            point_labels,
            multimask_output=False,
            return_logits=return_logits,
        )


def segment_everything(
    head: MedSAMBoxPromptHead,
    embedding: Tensor,
    size: tuple[int, int],
    generator: dict,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks of segment-anything's automatic generator.

    Args:
        head: Prompt encoder and mask decoder.
        embedding: (C, S / 16, S / 16).
        size: Height and width of the masks in pixels.
        generator: Arguments of ``SamAutomaticMaskGenerator``, but no crops: they would
            need embeddings of their own.

    Returns:
        Masks (M, H, W) bool and their predicted IoU (M,) float32; M may be 0.

    Raises:
        ValueError: If the generator is to look at crops.
    """
    if generator.get('crop_n_layers'):
        raise ValueError(
            'the generator has one embedding, of the whole image, and cannot look at '
            f'crops: wanted no crop_n_layers, found {generator["crop_n_layers"]}'
        )
    encoder = SimpleNamespace(img_size=head.image_size)
    sam = Sam(encoder, head.prompt_encoder, head.mask_decoder).to(embedding.device)
    maker = SamAutomaticMaskGenerator(sam, **generator)
    maker.predictor = EmbeddedPredictor(sam, embedding)
    records = maker.generate(np.empty((*size, 3), np.uint8))
    masks = [record['segmentation'] for record in records]
    scores = [record['predicted_iou'] for record in records]
    return (
        np.array(masks, bool).reshape(-1, *size),
        np.array(scores, np.float32),
    )


def share_out(masks: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Return the number of the mask that each object gets, (N,) int64, -1 for none.

    Each mask is given to the object with which it has the highest IoU, the background
    being one of them. Of the masks that an object was given it gets the best. Made
    with the truth, it is an upper bound of what a choice among the masks can reach.

    Args:
        masks: (M, H, W) bool.
        objects: True masks (N, H, W) bool.
    """
    background = ~objects.any(axis=0, keepdims=True)
    candidates = np.concatenate([objects, background])
    chosen, best = np.full(len(candidates), -1), np.zeros(len(candidates))
    for number, mask in enumerate(masks):
        either = (candidates | mask).sum(axis=(1, 2))
        ious = (candidates & mask).sum(axis=(1, 2)) / np.maximum(either, 1)
        owner = ious.argmax()
        if ious[owner] > best[owner]:
            chosen[owner], best[owner] = number, ious[owner]
    return chosen[:-1]
