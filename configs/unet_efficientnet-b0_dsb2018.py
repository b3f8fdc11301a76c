# Eff-UNet on nuclei: an EfficientNet-B0 trained on ImageNet as encoder.
_base_ = [
    '_base_/models/unet.py',
    '_base_/datasets/dsb2018.py',
    '_base_/schedules/supervised_1000.py',
    '_base_/default_runtime.py',
]
model = dict(
    # Images come scaled to [0, 1].
    data_preprocessor=dict(
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
        size_divisor=32,
        test_cfg=dict(size_divisor=32),
    ),
    backbone=dict(
        _delete_=True,
        type='TIMMBackbone',
        model_name='efficientnet_b0',
        pretrained=True,
        features_only=True,
    ),
    decode_head=dict(
        in_channels=(16, 24, 40, 112, 320),
        strides=(2, 4, 8, 16, 32),
        loss_decode=dict(per_image=True),
    ),
)
