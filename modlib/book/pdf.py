"""The whole book as one PDF: the staged pages as a single page, printed by Chromium. Chapter: all of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from modlib import __version__
from modlib.book.build import jupyter_book
from modlib.errors import BookError
from modlib.files import build_folder

if TYPE_CHECKING:
    from playwright.sync_api import PdfMargins

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MARGIN, SCALE = "16mm", 0.8
# On paper nothing unfolds and no page leads to another one. Of verdicts the heading stays, which counts them; folded
# code and solutions stay in the notebooks, the library's reference on the site. A link leads into the book, or nowhere.
FOR_PAPER = """below => {
  const article = document.querySelector('.bd-article');
  document.querySelectorAll('[id^="document-book/api"]').forEach(mark => {
    mark.nextElementSibling.remove();
    mark.remove();
  });
  article.querySelectorAll('details').forEach(fold => {
    if (fold.matches('.verdicts')) {
      const said = document.createElement('p');
      said.append(...fold.querySelector('summary').childNodes);
      fold.replaceWith(said);
    } else {
      fold.remove();
    }
  });
  article.querySelectorAll('a[href]:not([href^="http"])').forEach(link => {
    const id = link.getAttribute('href').split('#')[1];
    if (id && document.getElementById(id)) {
      link.setAttribute('href', '#' + id);
    } else {
      link.replaceWith(...link.childNodes);
    }
  });
  const whose = document.createElement('p');
  whose.textContent = below;
  document.querySelector('#jb-print-docs-body h1').after(whose);
}"""
NUMBERED = '<div style="font-size: 8px; text-align: center; width: 100%"><span class="pageNumber"></span></div>'
FORMULAS = "() => MathJax.startup.promise.then(() => true)"
PATIENCE = 300_000  # milliseconds that a page of all chapters may take


def write_pdf(root: Path) -> Path:
    """Print the book that was built last; returns the PDF.

    Args:
        root: folder of the book.

    Raises:
        BookError: if the book has not been built, there is no Chromium, or the single page cannot be made.
    """
    from playwright.sync_api import sync_playwright

    out = build_folder(root)
    if not (out / "stage" / "_toc.yml").exists():
        raise BookError(f"{out} holds no staged pages; build the book first, with: modlib book")
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise BookError(f"none of {', '.join(BROWSERS)} is on the path; install Chromium, which prints the PDF")
    page = _single_page(out, root)
    written = out / "book.pdf"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        opened = chromium.new_page(color_scheme="light")
        opened.set_default_timeout(PATIENCE)
        opened.goto(page.as_uri(), wait_until="load")
        opened.evaluate(FOR_PAPER, _whose(root))
        opened.evaluate(FORMULAS)
        around: PdfMargins = {"top": MARGIN, "right": MARGIN, "bottom": MARGIN, "left": MARGIN}
        opened.pdf(
            path=written, format="A4", margin=around, scale=SCALE, print_background=True, outline=True, tagged=True,
            display_header_footer=True, header_template="<span></span>", footer_template=NUMBERED,
        )  # fmt: skip
        chromium.close()
    return written


def _whose(root: Path) -> str:
    """What stands below the title: whose the book is, and which version."""
    author = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["author"]
    return f"{author}, version {__version__}"


def _single_page(out: Path, root: Path) -> Path:
    """Jupyter Book's single page, in the folder that its links start from."""
    shutil.rmtree(out / "singlehtml", ignore_errors=True)
    done = jupyter_book(root, "--builder", "singlehtml")
    first = yaml.safe_load((out / "stage" / "_toc.yml").read_text(encoding="utf-8"))["root"]
    made = out / "singlehtml" / f"{first}.html"
    if done.returncode or not made.exists():
        raise BookError("Jupyter Book made no single page; it says:\n" + "\n".join(done.stderr.splitlines()[-20:]))
    return Path(shutil.copy(made, out / "singlehtml" / "all.html"))
