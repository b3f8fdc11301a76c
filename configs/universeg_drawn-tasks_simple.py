# The weights that ship, first part of their training: simple drawn tasks, 64x64.
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/drawn-tasks_simple.py',
    '_base_/schedules/in-context_2000.py',
    '_base_/default_runtime.py',
]
