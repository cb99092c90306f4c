from .criteria import (
    CRITERIA as CRITERIA,
)
from .criteria import (
    Grade as Grade,
)
from .criteria import (
    Sample as Sample,
)
from .metrics import (
    Metric as Metric,
)
from .metrics import (
    below_all_shuffles as below_all_shuffles,
)
from .metrics import (
    combined_by_network as combined_by_network,
)
from .metrics import (
    over_networks as over_networks,
)
from .metrics import (
    statistic as statistic,
)
from .papers import (
    paper_values as paper_values,
)
from .papers import (
    settings as settings,
)
