# MedSAM's training on FLARE22: image encoder and mask decoder, from SAM's weights.
_base_ = [
    '_base_/models/medsam_vit-b.py',
    '_base_/datasets/flare22_boxes.py',
    '_base_/schedules/medsam_1000.py',
    '_base_/default_runtime.py',
]
load_from = 'https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64.pth'
