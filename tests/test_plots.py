"""Tables of chapters: what they show is text, whatever it says."""

import pandas as pd
from evil import EVIL, Page

from modlib import plots


def test_a_table_shows_every_text_as_it_is() -> None:
    rows = pd.DataFrame({EVIL[0]: EVIL, EVIL[3]: [0.12345, None, 2.0, 3.0]})
    shown = plots.table(rows, "evil").to_html()
    Page(shown[shown.index("<table") :]).check(*EVIL, "0.123", "–")
