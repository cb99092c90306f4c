from .results import (
    append_rows as append_rows,
    caption as caption,
    read_provenance as read_provenance,
    read_table as read_table,
)
from .runner import (
    PROFILES as PROFILES,
    Cell as Cell,
    Experiment as Experiment,
    Row as Row,
    describe_run as describe_run,
    run as run,
    verify as verify,
)
