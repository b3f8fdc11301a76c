# UniverSeg without the final 1x1 convolution, otherwise the baseline.
_base_ = ['universeg_wbc_baseline.py']
model = dict(out_conv=False)
