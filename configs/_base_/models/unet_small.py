# A U-Net a quarter as wide as published, for grey images and several classes that do
# not overlap. An experiment gives num_classes and out_channels.
_base_ = ['unet.py']
widths = (16, 32, 64, 128, 256)
model = dict(
    backbone=dict(in_channels=1, widths=widths),
    decode_head=dict(
        in_channels=widths,
        loss_decode=dict(use_sigmoid=False),
    ),
)
