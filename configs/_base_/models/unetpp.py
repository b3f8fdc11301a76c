# UNet++ with the widths of the paper and batch normalisation, which the paper has not,
# for one foreground class. An experiment adds mean and std of its images; those of
# other sizes than a multiple of 16 are padded, and the prediction is cropped back.
# Fast mode at depth 2: --cfg-options model.backbone.prune=2 model.decode_head.prune=2
# model.decode_head.mode=fast
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
        widths=(32, 64, 128, 256, 512),
        norm_cfg=norm_cfg,
    ),
    decode_head=dict(
        type='UNetPlusPlusHead',
        in_channels=(32, 64, 128, 256, 512),
        num_classes=2,
        out_channels=1,
        deep_supervision=True,
        mode='accurate',
        norm_cfg=norm_cfg,
        loss_decode=dict(type='HybridDiceCELoss', use_sigmoid=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
