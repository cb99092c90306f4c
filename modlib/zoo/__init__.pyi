from .arithmetic import (
    Task as Task,
)
from .arithmetic import (
    make_task as make_task,
)
from .cnns import (
    accuracy as accuracy,
)
from .cnns import (
    cnn_images as cnn_images,
)
from .cnns import (
    trained_small_cnn as trained_small_cnn,
)
from .cnns import (
    untrained_small_cnn as untrained_small_cnn,
)
from .colour_cnns import (
    Split as Split,
)
from .colour_cnns import (
    split_images as split_images,
)
from .colour_cnns import (
    trained_cnn as trained_cnn,
)
from .perceptrons import (
    RANDOM_DATASETS as RANDOM_DATASETS,
)
from .perceptrons import (
    TrainedPair as TrainedPair,
)
from .perceptrons import (
    data_for as data_for,
)
from .perceptrons import (
    recipe_for as recipe_for,
)
from .perceptrons import (
    trained_mlp as trained_mlp,
)
from .trained import trained as trained
