# UNet 3+ on the heart, a quarter as wide as published.
_base_ = [
    '_base_/models/unet3plus.py',
    '_base_/datasets/acdc.py',
    '_base_/schedules/supervised_1200.py',
    '_base_/default_runtime.py',
]
widths = (16, 32, 64, 128, 256)
model = dict(
    backbone=dict(in_channels=1, widths=widths),
    decode_head=dict(
        in_channels=widths,
        branch_channels=16,
        num_classes=4,
        out_channels=4,
        loss_decode=[
            dict(type='MulticlassFocalLoss'),
            dict(type='MSSSIMLoss'),
            dict(type='SoftIoULoss'),
        ],
    ),
)
