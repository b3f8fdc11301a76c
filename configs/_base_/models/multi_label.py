# Three organs that may overlap, a sigmoid for each. An experiment adds backbone and
# head. Images come scaled to [0, 1]; mean and std are ImageNet's. With other bounds of
# the probabilities: --cfg-options "model.threshold=(0.4,0.5,0.5)". tools/test.py --tta
# averages over flips.
norm_cfg = dict(type='BN')
model = dict(
    type='MultiLabelEncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
        size_divisor=16,
        test_cfg=dict(size_divisor=16),
    ),
    decode_head=dict(
        num_classes=3,
        norm_cfg=norm_cfg,
        loss_decode=dict(type='HybridDiceCELoss', use_sigmoid=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
tta_model = dict(type='MultiLabelTTAModel')
