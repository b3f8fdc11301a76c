# UNet++ with deep supervision on nuclei, and mosaics of four images in training.
_base_ = [
    '_base_/models/unetpp.py',
    '_base_/datasets/dsb2018_mosaic.py',
    '_base_/schedules/supervised_2400.py',
    '_base_/default_runtime.py',
]
widths = (16, 32, 64, 128, 256)
model = dict(
    backbone=dict(in_channels=3, widths=widths),
    decode_head=dict(in_channels=widths, loss_decode=dict(per_image=True)),
)
