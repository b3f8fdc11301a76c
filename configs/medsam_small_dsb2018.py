# A small MedSAM from scratch on nuclei, one box per nucleus, many per image.
_base_ = [
    '_base_/models/medsam_small.py',
    '_base_/datasets/dsb2018_boxes.py',
    '_base_/schedules/medsam_small_2500.py',
    '_base_/default_runtime.py',
]
