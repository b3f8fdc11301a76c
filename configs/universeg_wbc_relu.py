# UniverSeg with ReLU in place of LeakyReLU, otherwise the baseline.
_base_ = ['universeg_wbc_baseline.py']
model = dict(nonlinearity='ReLU')
