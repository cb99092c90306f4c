from .architectures import (
    perceptron as perceptron,
    repeated_lstm as repeated_lstm,
    simple_cnn as simple_cnn,
    small_cnn as small_cnn,
)
from .files import load_network as load_network
from .network import (
    BatchNorm as BatchNorm,
    Layer as Layer,
    Network as Network,
    answers as answers,
    as_network as as_network,
    fold_batch_norm as fold_batch_norm,
    from_arrays as from_arrays,
)
from .planted import (
    planted_weights as planted_weights,
    random_weights as random_weights,
    side_by_side as side_by_side,
)
