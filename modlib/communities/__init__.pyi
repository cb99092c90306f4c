from .partitions import (
    UNUSED as UNUSED,
)
from .partitions import (
    Communities as Communities,
)
from .partitions import (
    adjacency as adjacency,
)
from .partitions import (
    effective_number as effective_number,
)
from .partitions import (
    element_similarity as element_similarity,
)
from .partitions import (
    find_communities as find_communities,
)
from .partitions import (
    leiden as leiden,
)
from .partitions import (
    modularity as modularity,
)
from .partitions import (
    transferability as transferability,
)
from .similarity import (
    DOWNSTREAM as DOWNSTREAM,
)
from .similarity import (
    MEASURES as MEASURES,
)
from .similarity import (
    PLAIN as PLAIN,
)
from .similarity import (
    UPSTREAM as UPSTREAM,
)
from .similarity import (
    similarities as similarities,
)
