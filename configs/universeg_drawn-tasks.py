# The weights that ship: UniverSeg trained on drawn tasks alone. Second part of the
# training, 128x128, from the mean of two checkpoints of the first part,
# universeg_drawn-tasks_32x32.py, which tools/export_weights.py makes.
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/drawn-tasks.py',
    '_base_/schedules/in-context_300.py',
    '_base_/default_runtime.py',
]
load_from = 'work_dirs/universeg_drawn-tasks_32x32/mean.pth'
optim_wrapper = dict(optimizer=dict(lr=2e-4))
size = _base_.test_size
# Memory bounds the batch: two episodes of 64 supports.
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        batch_size=2,
        datasets=[
            dict(drawn, image_size=size)
            for drawn in _base_.train_dataloader.dataset.datasets
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(real, pipeline=_base_.support_pipeline)
            for real in _base_.val_dataloader.dataset.datasets
        ]
    )
)
test_dataloader = val_dataloader
