from .activations import (
    hidden_activities as hidden_activities,
)
from .activations import (
    relu_names as relu_names,
)
from .correlations import (
    align_signs as align_signs,
)
from .correlations import (
    contrast as contrast,
)
from .correlations import (
    halves as halves,
)
from .correlations import (
    likeness as likeness,
)
from .correlations import (
    mean_image as mean_image,
)
from .correlations import (
    one_sidedness as one_sidedness,
)
from .correlations import (
    spearman as spearman,
)
from .features import (
    ImageSettings as ImageSettings,
)
from .features import (
    visualise as visualise,
)
