from .found import (
    first_sentences as first_sentences,
    found_box as found_box,
    sentences as sentences,
)
from .outcomes import became_of as became_of, measured as measured
from .stored import (
    paper_rows as paper_rows,
    rests_on as rests_on,
    still_missing as still_missing,
    stored_rows as stored_rows,
)
