from .criteria import (
    CRITERIA as CRITERIA,
    Grade as Grade,
    Sample as Sample,
)
from .metrics import (
    Metric as Metric,
    below_all_shuffles as below_all_shuffles,
    combined_by_network as combined_by_network,
    over_networks as over_networks,
    sample_of as sample_of,
)
from .papers import (
    paper_values as paper_values,
    settings as settings,
)
from .sentences import (
    interval as interval,
    told as told,
    which_way as which_way,
)
