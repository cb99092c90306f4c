from .stored import (
    paper_rows as paper_rows,
)
from .stored import (
    rests_on as rests_on,
)
from .stored import (
    still_missing as still_missing,
)
from .stored import (
    stored_rows as stored_rows,
)
