# Mobile-UNet on nuclei: a MobileNetV2 trained on ImageNet as encoder.
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
        type='MobileNetV2',
        strides=(1, 2, 2, 2, 1, 2, 1),
        out_indices=(0, 1, 2, 4, 6),
        norm_cfg=_base_.norm_cfg,
        init_cfg=dict(type='Pretrained', checkpoint='mmcls://mobilenet_v2'),
    ),
    decode_head=dict(
        in_channels=(16, 24, 32, 96, 320),
        strides=(2, 4, 8, 16, 32),
        loss_decode=dict(per_image=True),
    ),
)
