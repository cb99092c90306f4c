from .continual import (
    learn_in_turn as learn_in_turn,
    learn_with_weights as learn_with_weights,
    reuse as reuse,
    union_before as union_before,
)
from .controls import (
    Control as Control,
    mask_controls as mask_controls,
    random_mask as random_mask,
    thinned_mask as thinned_mask,
)
from .learning import (
    CurvePoint as CurvePoint,
    LearnedMask as LearnedMask,
    MaskSettings as MaskSettings,
    learn_mask as learn_mask,
    regularisation_curve as regularisation_curve,
)
from .mask import (
    TOTAL as TOTAL,
    Mask as Mask,
    chance_sharing as chance_sharing,
    intersection_over_union as intersection_over_union,
    parameter_names as parameter_names,
    sharing as sharing,
)
from .membership import (
    learn_class_masks as learn_class_masks,
    mask_membership as mask_membership,
)
from .permuted import (
    Memorised as Memorised,
    learn_permuted_mask as learn_permuted_mask,
)
