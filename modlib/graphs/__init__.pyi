from .consumers import consumer_graph as consumer_graph
from .edges import (
    Matrix as Matrix,
    edge_weights as edge_weights,
)
from .eigenvalues import (
    eigenvalue_gradient as eigenvalue_gradient,
    laplacian_eigenvalues as laplacian_eigenvalues,
)
from .neurons import (
    NeuronGraph as NeuronGraph,
    Part as Part,
    chain_graph as chain_graph,
    neuron_graph as neuron_graph,
)
from .nulls import (
    NULLS as NULLS,
    PAPER_NULLS as PAPER_NULLS,
    Null as Null,
    shuffle_matrix as shuffle_matrix,
)
from .shuffles import (
    ShuffleTest as ShuffleTest,
    shuffle_graph as shuffle_graph,
    shuffle_test as shuffle_test,
    shuffle_tests as shuffle_tests,
    shuffled_ncuts as shuffled_ncuts,
)
from .spectral import (
    N_INIT as N_INIT,
    Clustering as Clustering,
    Route as Route,
    cluster as cluster,
    cluster_for_each_k as cluster_for_each_k,
    clusters_of as clusters_of,
    ncut as ncut,
    share_between_layers as share_between_layers,
    spectral_embedding as spectral_embedding,
)
from .subclusters import (
    SubCluster as SubCluster,
    hidden_labels as hidden_labels,
    layer_and_cluster as layer_and_cluster,
    sub_clusters as sub_clusters,
)
