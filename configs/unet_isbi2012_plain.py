# U-Net on membranes of ISBI 2012, without what unet_isbi2012.py adds.
_base_ = [
    '_base_/models/unet.py',
    '_base_/datasets/isbi2012.py',
    '_base_/schedules/supervised_1000.py',
    '_base_/default_runtime.py',
]
widths = (16, 32, 64, 128, 256)
model = dict(
    backbone=dict(in_channels=1, widths=widths),
    decode_head=dict(in_channels=widths),
)
