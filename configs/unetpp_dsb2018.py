# UNet++ with deep supervision on nuclei; Dice by image, as it is scored. Pruned to
# depth 2 and in fast mode: tools/test.py ... --cfg-options model.backbone.prune=2
# model.decode_head.prune=2 model.decode_head.mode=fast
_base_ = [
    '_base_/models/unetpp.py',
    '_base_/datasets/dsb2018.py',
    '_base_/schedules/supervised_3000.py',
    '_base_/default_runtime.py',
]
widths = (16, 32, 64, 128, 256)
model = dict(
    backbone=dict(in_channels=3, widths=widths),
    decode_head=dict(in_channels=widths, loss_decode=dict(per_image=True)),
)
# Brightness and gamma stay as they are: of a dim nucleus, they say where it ends.
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            *_base_.geometry,
            dict(type='RandomGaussianNoise', prob=0.25),
            dict(type='PackSegInputs'),
        ]
    )
)
