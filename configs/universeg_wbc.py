# White blood cells in context: Dataset 1, 64 supports, no training. Another number of
# supports: --cfg-options custom_hooks.0.size=16
_base_ = [
    '_base_/models/universeg_v1.py',
    '_base_/datasets/wbc_in-context.py',
    '_base_/schedules/in-context_300.py',
    '_base_/default_runtime.py',
]
