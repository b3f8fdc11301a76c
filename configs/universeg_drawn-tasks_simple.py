# From scratch on simple drawn tasks at 64x64; with other tasks, a start for one's own
# (docs/drawn-tasks.md).
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/drawn-tasks_simple.py',
    '_base_/schedules/in-context_2000.py',
    '_base_/default_runtime.py',
]
