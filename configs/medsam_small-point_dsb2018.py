# One point on each nucleus instead of a box; with further points from the error, up to
# five in all: --cfg-options model.points=5.
_base_ = ['medsam_small_dsb2018.py']
model = dict(prompt='point')
