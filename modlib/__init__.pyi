from . import (
    communities as communities,
    graphs as graphs,
    lesions as lesions,
    masks as masks,
    networks as networks,
    responses as responses,
    stats as stats,
)
from .audits import audit as audit
from .communities import (
    agreement as agreement,
    consensus as consensus,
    effective_number as effective_number,
    element_similarity as element_similarity,
    find_communities as find_communities,
    modularity as modularity,
    similarities as similarities,
)
from .errors import ModlibError as ModlibError
from .graphs import (
    cluster as cluster,
    hidden_labels as hidden_labels,
    ncut as ncut,
    neuron_graph as neuron_graph,
    shuffle_test as shuffle_test,
    shuffle_tests as shuffle_tests,
    sub_clusters as sub_clusters,
)
from .lesions import (
    damages as damages,
    double_lesions as double_lesions,
    lesion_tests as lesion_tests,
)
from .masks import (
    MaskSettings as MaskSettings,
    chance_sharing as chance_sharing,
    intersection_over_union as intersection_over_union,
    learn_mask as learn_mask,
    sharing as sharing,
)
from .networks import (
    as_network as as_network,
    load_network as load_network,
    ordered_weights as ordered_weights,
    planted_weights as planted_weights,
    random_weights as random_weights,
    trace as trace,
)
from .notions import divided_by_notion as divided_by_notion
from .responses import (
    hidden_activities as hidden_activities,
    visualise as visualise,
)

__version__: str
