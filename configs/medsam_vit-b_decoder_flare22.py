# MedSAM's mask decoder only, on FLARE22, from MedSAM's weights, which have to be
# downloaded by hand: see README.md.
_base_ = [
    '_base_/models/medsam_vit-b.py',
    '_base_/datasets/flare22_boxes.py',
    '_base_/schedules/medsam_decoder_1000.py',
    '_base_/default_runtime.py',
]
model = dict(frozen=('image_encoder', 'prompt_encoder'))
load_from = 'checkpoints/medsam_vit_b.pth'
