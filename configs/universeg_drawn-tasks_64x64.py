# Tried and not part of the weights that ship: drawn tasks of every kind at 64x64, up to
# 32 supports, after universeg_drawn-tasks_simple.py (docs/drawn-tasks.md).
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/drawn-tasks.py',
    '_base_/schedules/in-context_1000.py',
    '_base_/default_runtime.py',
]
load_from = 'work_dirs/universeg_drawn-tasks_simple/iter_2000.pth'
optim_wrapper = dict(optimizer=dict(lr=6e-4))
train_dataloader = dict(dataset=dict(support_size=(1, 32)))
