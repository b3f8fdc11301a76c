# One point on each nucleus instead of a box.
_base_ = ['medsam_small_dsb2018.py']
model = dict(prompt='point')
