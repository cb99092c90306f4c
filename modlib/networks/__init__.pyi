from .architectures import (
    glorot_perceptron as glorot_perceptron,
    perceptron as perceptron,
    repeated_lstm as repeated_lstm,
    simple_cnn as simple_cnn,
    small_cnn as small_cnn,
    vgg16 as vgg16,
)
from .files import load_network as load_network
from .known import (
    KnownModules as KnownModules,
    idle_weights as idle_weights,
    rotated_functions as rotated_functions,
    shared_part as shared_part,
    two_functions as two_functions,
)
from .layers import Layer as Layer
from .network import (
    Network as Network,
    answers as answers,
    as_network as as_network,
    from_arrays as from_arrays,
    torch_module as torch_module,
)
from .normalisation import (
    BatchNorm as BatchNorm,
    fold_batch_norm as fold_batch_norm,
)
from .planted import (
    planted_kernels as planted_kernels,
    planted_weights as planted_weights,
    random_weights as random_weights,
    side_by_side as side_by_side,
)
from .residual import cifar_resnet as cifar_resnet
from .sequences import (
    OWN as OWN,
    PAD as PAD,
    greedy as greedy,
    lstm_encoder_decoder as lstm_encoder_decoder,
    transformer_encoder_decoder as transformer_encoder_decoder,
)
from .states import ordered_weights as ordered_weights
from .traces import (
    Trace as Trace,
    UnitLayer as UnitLayer,
    Weights as Weights,
)
from .tracing import (
    trace as trace,
)
