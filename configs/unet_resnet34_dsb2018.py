# U-Net on nuclei, with a ResNet-34 trained on ImageNet as encoder.
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
        type='ResNet',
        depth=34,
        norm_cfg=_base_.norm_cfg,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet34'),
    ),
    decode_head=dict(
        in_channels=(64, 128, 256, 512),
        strides=(4, 8, 16, 32),
        loss_decode=dict(per_image=True),
    ),
)
