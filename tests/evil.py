"""Texts that would run, or be read as something else, on a page that does not escape them; and how to see that."""

from html.parser import HTMLParser

EVIL = (
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "</td></tr></table>",
    "&amp; a | b $x_1$ `code` *star* [link](javascript:alert(1)) \\(y\\)",
)


class Page(HTMLParser):
    """Tags of a page with their attributes, and its text as it is shown; every tag must be closed in its turn."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[tuple[str, str]] = []  # with the classes of all tags around it
        self.shown: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            around = self.open[-1][1] if self.open else ""
            self.open.append((tag, f"{around} {dict(attrs).get('class') or ''}"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag, tag

    def handle_data(self, data: str) -> None:
        self.shown.append((data, self.open[-1][1] if self.open else ""))

    def check(self, *texts: str) -> None:
        """Every text is shown as it is, makes no tag or attribute, and no formula of what is between its dollars."""
        assert not {"script", "iframe", "object"} & {tag for tag, _ in self.tags}
        assert not [name for _, attributes in self.tags for name in attributes if name.startswith("on")]
        assert not [tag for tag, attributes in self.tags if tag == "img" and attributes.get("src") == "x"]
        for text in texts:
            places = [classes for data, classes in self.shown if text in data]
            assert places, text
            assert all("mathjax_ignore" in classes for classes in places), text
