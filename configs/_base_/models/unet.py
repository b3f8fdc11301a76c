# U-Net with padded convolutions and batch normalisation, for one foreground class. An
# experiment adds mean and std of its images; those of other sizes than a multiple of
# 16 are padded, and the prediction is cropped back.
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
    ),
    decode_head=dict(
        type='UNetHead',
        in_channels=(64, 128, 256, 512, 1024),
        num_classes=2,
        out_channels=1,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='HybridDiceCELoss', use_sigmoid=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
