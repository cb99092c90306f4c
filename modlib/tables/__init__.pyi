from .durations import (
    duration as duration,
    expected as expected,
    took as took,
)
from .experiment import (
    Cell as Cell,
    Experiment as Experiment,
    Row as Row,
    in_turn as in_turn,
    plan_of as plan_of,
)
from .integrity import (
    read_accounted as read_accounted,
    read_provenance as read_provenance,
    seal as seal,
)
from .provenance import describe_run as describe_run
from .results import (
    append_rows as append_rows,
    caption as caption,
    fill_rows as fill_rows,
    read_table as read_table,
)
from .runner import (
    Done as Done,
    Stopped as Stopped,
    missing_cells as missing_cells,
    run as run,
    unfilled_cells as unfilled_cells,
)
from .schema import (
    PROFILE as PROFILE,
    PROFILES as PROFILES,
    SHARE as SHARE,
    YES_NO as YES_NO,
    Column as Column,
    integer as integer,
    number as number,
    number_lists as number_lists,
    numbers as numbers,
    optional as optional,
    text as text,
)
from .verification import (
    Difference as Difference,
    Redrawn as Redrawn,
    Verified as Verified,
    kept_cells as kept_cells,
    verify as verify,
)
from .words import (
    dataset_in_words as dataset_in_words,
    in_words as in_words,
    rows_in_words as rows_in_words,
)
from .workers import Outcome as Outcome
