from .architectures import (
    perceptron as perceptron,
)
from .architectures import (
    repeated_lstm as repeated_lstm,
)
from .architectures import (
    simple_cnn as simple_cnn,
)
from .architectures import (
    small_cnn as small_cnn,
)
from .files import load_network as load_network
from .network import (
    BatchNorm as BatchNorm,
)
from .network import (
    Layer as Layer,
)
from .network import (
    Network as Network,
)
from .network import (
    as_network as as_network,
)
from .network import (
    fold_batch_norm as fold_batch_norm,
)
from .network import (
    from_arrays as from_arrays,
)
