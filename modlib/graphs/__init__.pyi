from .neurons import (
    Matrix as Matrix,
)
from .neurons import (
    NeuronGraph as NeuronGraph,
)
from .neurons import (
    chain_graph as chain_graph,
)
from .neurons import (
    edge_weights as edge_weights,
)
from .neurons import (
    neuron_graph as neuron_graph,
)
from .shuffles import (
    NULLS as NULLS,
)
from .shuffles import (
    Null as Null,
)
from .shuffles import (
    ShuffleTest as ShuffleTest,
)
from .shuffles import (
    shuffle_graph as shuffle_graph,
)
from .shuffles import (
    shuffle_matrix as shuffle_matrix,
)
from .shuffles import (
    shuffle_test as shuffle_test,
)
from .shuffles import (
    shuffle_tests as shuffle_tests,
)
from .shuffles import (
    shuffled_ncuts as shuffled_ncuts,
)
from .spectral import (
    N_INIT as N_INIT,
)
from .spectral import (
    Clustering as Clustering,
)
from .spectral import (
    Route as Route,
)
from .spectral import (
    cluster as cluster,
)
from .spectral import (
    cluster_for_each_k as cluster_for_each_k,
)
from .spectral import (
    ncut as ncut,
)
from .spectral import (
    spectral_embedding as spectral_embedding,
)
from .subclusters import (
    ISOLATED as ISOLATED,
)
from .subclusters import (
    SubCluster as SubCluster,
)
from .subclusters import (
    hidden_labels as hidden_labels,
)
from .subclusters import (
    sub_clusters as sub_clusters,
)
