from .criteria import (
    CRITERIA as CRITERIA,
    Grade as Grade,
    Sample as Sample,
)
from .digits import (
    p_in_words as p_in_words,
)
from .metrics import (
    Metric as Metric,
    are_below_all_shuffles as are_below_all_shuffles,
    below_all_shuffles as below_all_shuffles,
    combined_by_network as combined_by_network,
    over_networks as over_networks,
    paired as paired,
    sample_of as sample_of,
)
from .papers import (
    paper_values as paper_values,
    settings as settings,
)
from .sentences import (
    Sentences as Sentences,
    by_verb as by_verb,
    changed as changed,
    extremes as extremes,
    listed as listed,
    more_or_less as more_or_less,
    ordered as ordered,
    share_of as share_of,
    span as span,
    told as told,
    which_way as which_way,
)
