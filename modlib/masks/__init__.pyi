from .learning import (
    CurvePoint as CurvePoint,
)
from .learning import (
    LearnedMask as LearnedMask,
)
from .learning import (
    MaskSettings as MaskSettings,
)
from .learning import (
    learn_mask as learn_mask,
)
from .learning import (
    regularisation_curve as regularisation_curve,
)
from .mask import (
    TOTAL as TOTAL,
)
from .mask import (
    Mask as Mask,
)
from .mask import (
    chance_sharing as chance_sharing,
)
from .mask import (
    intersection_over_union as intersection_over_union,
)
from .mask import (
    parameter_names as parameter_names,
)
from .mask import (
    sharing as sharing,
)
