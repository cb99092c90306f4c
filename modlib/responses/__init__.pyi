from .activations import (
    hidden_activities as hidden_activities,
    relu_names as relu_names,
)
from .channels import channel_measures as channel_measures
from .correlations import (
    align_signs as align_signs,
    contrast as contrast,
    halves as halves,
    likeness as likeness,
    mean_image as mean_image,
    one_sidedness as one_sidedness,
    spearman as spearman,
)
from .features import (
    ImageSettings as ImageSettings,
    Visualisation as Visualisation,
    visualise as visualise,
)
