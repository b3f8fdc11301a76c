# UNet++ with deep supervision on vessels.
_base_ = [
    '_base_/models/unetpp.py',
    '_base_/datasets/drive.py',
    '_base_/schedules/supervised_1500.py',
    '_base_/default_runtime.py',
]
widths = (16, 32, 64, 128, 256)
model = dict(
    backbone=dict(in_channels=3, widths=widths),
    decode_head=dict(in_channels=widths),
)
