# A small MedSAM from scratch on the heart, one box per structure and slice.
_base_ = [
    '_base_/models/medsam_small.py',
    '_base_/datasets/acdc_boxes.py',
    '_base_/schedules/medsam_small_2500.py',
    '_base_/default_runtime.py',
]
