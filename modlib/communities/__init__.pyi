from .certainty import (
    Consensus as Consensus,
    SweepPoint as SweepPoint,
    consensus as consensus,
    sweep as sweep,
)
from .comparison import (
    Agreement as Agreement,
    agreement as agreement,
    matched_groups as matched_groups,
    permuted_labels as permuted_labels,
    similarity_by_chance as similarity_by_chance,
)
from .partitions import (
    Communities as Communities,
    adjacency as adjacency,
    effective_number as effective_number,
    element_similarity as element_similarity,
    find_communities as find_communities,
    leiden as leiden,
    modularity as modularity,
    transferability as transferability,
)
from .significance import (
    ModularityTest as ModularityTest,
    dealt_similarity as dealt_similarity,
    modularity_test as modularity_test,
)
from .similarity import (
    DOWNSTREAM as DOWNSTREAM,
    MEASURES as MEASURES,
    PLAIN as PLAIN,
    UPSTREAM as UPSTREAM,
    similarities as similarities,
)
