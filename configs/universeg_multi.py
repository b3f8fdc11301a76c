# One network for many tasks: ACDC, DSB2018, ISBI 2012, DRIVE and drawn tasks together.
# White blood cells are kept out: see universeg_wbc.py.
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/multi_in-context.py',
    '_base_/schedules/in-context_4500.py',
    '_base_/default_runtime.py',
]
