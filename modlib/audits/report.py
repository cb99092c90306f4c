"""The report of an audit: an object at the prompt and in a notebook, and one HTML file that needs no other.

Chapter: ``your-network``.
"""

from __future__ import annotations

import base64
import io
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import modlib
from modlib.audits.findings import Findings
from modlib.audits.parts import Part
from modlib.audits.subject import AuditSettings, Subject
from modlib.checks import choice, path as as_path
from modlib.errors import InputError
from modlib.evidence.digits import signed
from modlib.files import REPOSITORY, replace_file
from modlib.reprs import AS_IT_IS, BriefRepr

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.axes import Axes

BOOK = f"{REPOSITORY}/blob/main/notebooks"
ROWS = 15  # of a table, in the report; the object has all of them
PACKAGES = ("numpy", "scipy", "torch", "scikit-learn", "pandas")


@dataclass(frozen=True, eq=False, repr=False)
class Section(BriefRepr):
    """What became of one part of an audit.

    Attributes:
        part: what it asked.
        subject: the network.
        found: what it found, or None if it was left out.
        left_out: why it was left out; empty if it was not.
        seconds: how long it took when it was measured.
    """

    part: Part
    subject: Subject
    found: Findings | None
    left_out: str
    seconds: float

    def _facts(self) -> dict[str, object]:
        if self.found is None:
            return {"name": self.part.name, "left_out": self.left_out}
        return {"name": self.part.name, "says": self.says, "tables": list(self.tables)}

    @property
    def says(self) -> tuple[str, ...]:
        """Its answer, in sentences."""
        return self.found.says if self.found else ()

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Its numbers."""
        return self.found.tables if self.found else {}

    @cached_property
    def figures(self) -> Mapping[str, Axes]:
        """Its figures, by caption, drawn when they are asked for."""
        import matplotlib as mpl

        from modlib import plots

        if self.found is None:
            return {}
        with mpl.rc_context():
            plots.use_style()
            return self.part.draw(self.subject, self.found)

    def _repr_html_(self) -> str:
        return _template().render(sections=[self], page=False)


@dataclass(frozen=True, eq=False, repr=False)
class Audit(BriefRepr):
    """A network under all measures: sections by name, their tables and figures, and the report as a file.

    Attributes:
        subject: the network and its data, as they were read.
        settings: how thoroughly it was asked.
        seed: what decided everything random.
        sections: one a part, done or left out.
    """

    subject: Subject
    settings: AuditSettings
    seed: int
    sections: tuple[Section, ...]

    def _facts(self) -> dict[str, object]:
        return {
            "network": self.subject.name,
            **{section.part.name: " ".join(section.says) or "left out" for section in self.sections},
        }

    def __iter__(self) -> Iterator[Section]:
        return iter(self.sections)

    def __getitem__(self, name: str) -> Section:
        """The section of a part.

        Raises:
            InputError: if there is no such part.
        """
        by_name = {section.part.name: section for section in self.sections}
        return by_name[choice(name, by_name, "part")]

    @property
    def about_the_run(self) -> dict[str, str]:
        """Seed, settings, versions and time."""
        settings = ", ".join(f"{name} {value}" for name, value in vars(self.settings).items())
        versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
        return {
            "seed": str(self.seed),
            "settings": settings,
            "versions": f"modlib {modlib.__version__}, Python {platform.python_version()}, {versions}",
            "time": f"{sum(section.seconds for section in self.sections):.0f} s",
        }

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one HTML file, with its figures in it, and return where it is.

        Names of layers, classes and the network are escaped: a model from somewhere else cannot put code into it.

        Raises:
            InputError: if it is no path, or the file cannot be written.
        """
        path = as_path(path, "path")
        try:
            replace_file(path, _template().render(audit=self, sections=self.sections, page=True))
        except OSError as error:
            raise InputError(
                f"the report cannot be written to {path} ({error.strerror or error}); expected a file that can be "
                "written: pass another path"
            ) from error
        return path

    def _repr_html_(self) -> str:
        return _template().render(audit=self, sections=self.sections, page=False)


def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("modlib.audits", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"shown": _shown, "picture": _picture, "numeric": _numeric}
    environment.globals |= {"book": BOOK, "most_rows": ROWS, "as_it_is": AS_IT_IS}
    return environment.get_template("report.html.jinja")


def _shown(value: Any) -> str:
    """A cell of a table, in words and few digits."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return "–" if np.isnan(value) else signed(float(value), ".3f")
    return str(value)


def _numeric(rows: pd.DataFrame) -> list[bool]:
    """Which columns of a table hold numbers, which stand to the right."""
    of_numbers = rows.select_dtypes("number").columns
    return [column in of_numbers for column in rows.columns]


def _picture(ax: Axes) -> str:
    """A figure as a data address: an SVG that a page shows as an image, so nothing in it can run."""
    import matplotlib as mpl

    file, figure = io.BytesIO(), ax.get_figure(root=True)
    assert figure is not None
    with mpl.rc_context({"svg.hashsalt": "modlib"}):
        figure.savefig(file, format="svg", dpi=130, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
