from .box_prompt_segmentor import BoxPromptSegmentor
from .in_context_box_prompt_segmentor import InContextBoxPromptSegmentor
from .in_context_segmentor import InContextSegmentor
from .mean_support_mask import MeanSupportMask
from .multi_label_encoder_decoder import MultiLabelEncoderDecoder
from .multi_label_tta import MultiLabelTTAModel
from .single_logit_tta import SingleLogitTTAModel
from .support_memory import SupportDraw, SupportMemory
from .universeg import UniverSeg

__all__ = [
    'BoxPromptSegmentor',
    'InContextBoxPromptSegmentor',
    'InContextSegmentor',
    'MeanSupportMask',
    'MultiLabelEncoderDecoder',
    'MultiLabelTTAModel',
    'SingleLogitTTAModel',
    'SupportDraw',
    'SupportMemory',
    'UniverSeg',
]
