# A small U-Net on few images of nuclei, all light on dark.
_base_ = [
    '_base_/models/unet_small.py',
    '_base_/datasets/few-shot.py',
    '_base_/schedules/supervised_600.py',
    '_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=2, out_channels=2))
dark = dict(type='DarkBackground')
support_pipeline = [*_base_.support_pipeline[:4], dark, *_base_.support_pipeline[4:]]
train_dataloader = dict(
    dataset=dict(
        type='DSB2018Dataset',
        pipeline=[
            dict(type='LoadOnce', transforms=support_pipeline),
            *_base_.warped[1:],
            *_base_.flips,
            *_base_.intensities,
        ],
    )
)
test_dataloader = dict(
    dataset=dict(
        type='DSB2018Dataset',
        pipeline=[*_base_.test_pipeline[:3], dark, *_base_.test_pipeline[3:]],
    )
)
val_dataloader = test_dataloader
