# The published weights, tested in context on white blood cells. Their licence
# (OpenRAIL++-M) allows research only.
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/wbc_in-context.py',
    '_base_/schedules/in-context_300.py',
    '_base_/default_runtime.py',
]
load_from = 'mmseg_universeg://universeg_v1-released'
