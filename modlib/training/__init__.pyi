from .perceptrons import (
    Regularisation as Regularisation,
)
from .perceptrons import (
    Settings as Settings,
)
from .perceptrons import (
    TrainedMLP as TrainedMLP,
)
from .perceptrons import (
    train_mlps as train_mlps,
)
from .pruning import magnitude_mask as magnitude_mask
from .steps import (
    Draw as Draw,
)
from .steps import (
    Loss as Loss,
)
from .steps import (
    Steps as Steps,
)
from .steps import (
    draw_from as draw_from,
)
from .steps import (
    train_steps as train_steps,
)
from .steps import (
    trained_once as trained_once,
)
