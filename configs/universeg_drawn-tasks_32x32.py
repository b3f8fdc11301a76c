# The weights that ship, first part of their training, from scratch: drawn tasks of
# every kind at 32x32, with a quarter of the pixels of 64x64.
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/drawn-tasks.py',
    '_base_/schedules/in-context_12000.py',
    '_base_/default_runtime.py',
]
size = (32, 32)
tasks, simple = _base_.train_dataloader.dataset.datasets
# Thin structures are hardly to be seen at this size.
families = dict(tasks.families, membranes=0.6, vessels=0.3, fine_vessels=0.3)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        batch_size=8,
        support_size=(1, 16),
        datasets=[
            dict(tasks, image_size=size, families=families),
            dict(simple, image_size=size),
        ],
    ),
)
