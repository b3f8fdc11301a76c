from .hybrid_dice_ce_loss import HybridDiceCELoss
from .soft_dice_loss import SoftDiceLoss

__all__ = [
    'HybridDiceCELoss',
    'SoftDiceLoss',
]
