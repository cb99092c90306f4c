from .results import (
    append_rows as append_rows,
)
from .results import (
    caption as caption,
)
from .results import (
    read_provenance as read_provenance,
)
from .results import (
    read_table as read_table,
)
from .runner import (
    PROFILES as PROFILES,
)
from .runner import (
    Cell as Cell,
)
from .runner import (
    Experiment as Experiment,
)
from .runner import (
    Row as Row,
)
from .runner import (
    describe_run as describe_run,
)
from .runner import (
    run as run,
)
from .runner import (
    verify as verify,
)
