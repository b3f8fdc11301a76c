# The demo: a small UniverSeg learns in-context segmentation from drawn tasks.
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/synthetic_in-context.py',
    '_base_/schedules/in-context_1400.py',
    '_base_/default_runtime.py',
]
model = dict(features=(32, 32, 32, 32))
custom_hooks = [dict(type='CaseOverlayHook')]
