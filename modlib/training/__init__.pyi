from .epochs import (
    PrunedRecipe as PrunedRecipe,
    Stage as Stage,
    train_and_prune as train_and_prune,
)
from .initialisation import (
    Clusterable as Clusterable,
    clusterable_kernels as clusterable_kernels,
    draw_tags as draw_tags,
)
from .perceptrons import (
    Regularisation as Regularisation,
    Settings as Settings,
    TrainedMLP as TrainedMLP,
    train_mlps as train_mlps,
)
from .pruning import (
    cubic_sparsity as cubic_sparsity,
    magnitude_mask as magnitude_mask,
)
from .regularisers import (
    EigenvaluePenalty as EigenvaluePenalty,
    WeightPenalty as WeightPenalty,
    eigenvalue_sum as eigenvalue_sum,
    normalise_neurons as normalise_neurons,
)
from .steps import (
    Draw as Draw,
    Loss as Loss,
    Steps as Steps,
    draw_from as draw_from,
    train_steps as train_steps,
    trained_once as trained_once,
)
