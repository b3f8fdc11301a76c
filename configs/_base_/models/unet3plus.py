# UNet 3+ as published, with its three losses, for one foreground class. An experiment
# adds mean and std of its images; those of other sizes than a multiple of 16 are
# padded, and the prediction is cropped back. With the classification-guided module:
# --cfg-options model.decode_head.cgm_loss_weight=1.0
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        size_divisor=16,
        test_cfg=dict(size_divisor=16),
    ),
    backbone=dict(
        type='UNetEncoder',
        in_channels=3,
        widths=(64, 128, 256, 512, 1024),
        norm_cfg=norm_cfg,
        bias=True,
    ),
    decode_head=dict(
        type='UNet3PlusHead',
        in_channels=(64, 128, 256, 512, 1024),
        branch_channels=64,
        num_classes=2,
        out_channels=1,
        deep_supervision=True,
        norm_cfg=norm_cfg,
        loss_decode=[
            dict(type='MulticlassFocalLoss', use_sigmoid=True),
            dict(type='MSSSIMLoss', use_sigmoid=True),
            dict(type='SoftIoULoss', use_sigmoid=True),
        ],
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
