# Tried and not part of the weights that ship: 3000 more steps at 64x64 after
# universeg_drawn-tasks_64x64.py, with more of the harder drawn tasks
# (docs/drawn-tasks.md).
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/drawn-tasks_harder.py',
    '_base_/schedules/in-context_3000.py',
    '_base_/default_runtime.py',
]
load_from = 'work_dirs/universeg_drawn-tasks_64x64/iter_1000.pth'
optim_wrapper = dict(optimizer=dict(lr=8e-4))
train_dataloader = dict(dataset=dict(support_size=(1, 16)))
