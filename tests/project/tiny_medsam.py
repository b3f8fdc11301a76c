# Three iterations of a tiny MedSAM, prompt encoder frozen. In turn the images have
# three boxes, none, one and two, so that two processes never have as many.
_base_ = ['mmseg_universeg::_base_/default_runtime.py']
custom_imports = dict(imports=['mmseg_universeg', 'drawn_boxes'])
model = dict(
    type='BoxPromptSegmentor',
    backbone=dict(
        type='SAMImageEncoder',
        arch=dict(width=16, depth=2, heads=2, global_attention=(1,)),
        image_size=64,
        out_channels=32,
        window_size=3,
    ),
    decode_head=dict(
        type='MedSAMBoxPromptHead',
        image_size=64,
        channels=32,
        num_heads=2,
        mlp_channels=16,
    ),
)
train_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(
        type='DrawnBoxesDataset',
        number=4,
        boxes=(3, 0, 1, 2),
        pipeline=[dict(type='PackDrawnBoxes')],
    ),
)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=3)
default_hooks = dict(
    logger=dict(type='MainProcessLoggerHook', interval=1),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3),
)
