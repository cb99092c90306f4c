"""The parts of an audit in their order: what each asks, how it is measured and drawn, what its numbers mean and do not.

Chapter: ``your-network``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from modlib.audits import figures, function, needs, structure
from modlib.audits.findings import Findings
from modlib.audits.structure import OnStep
from modlib.audits.subject import AuditSettings, Subject


@dataclass(frozen=True, eq=False)
class Run:
    """One run of an audit, as its parts see it.

    Attributes:
        subject: the network.
        settings: how thoroughly it is asked.
        seed: decides everything random.
        rng: the part's own, so that parts draw apart; decided by the seed.
        jobs: worker processes for the shuffles.
        found: what the parts before found, by name.
        on_step: called with the steps done and the steps in all.
    """

    subject: Subject
    settings: AuditSettings
    seed: int
    rng: np.random.Generator
    jobs: int
    found: Mapping[str, Findings]
    on_step: OnStep


@dataclass(frozen=True, eq=False)
class Part:
    """A part of an audit.

    Attributes:
        name: short, unique.
        question: what it answers.
        measure: what it finds.
        draw: its figures, by caption.
        means: what its numbers mean.
        does_not_mean: what they do not.
        chapters: of the book, where they are derived.
        rests_on: parts without which it cannot be done.
    """

    name: str
    question: str
    measure: Callable[[Run], Findings]
    draw: Callable[[Subject, Findings], dict[str, Axes]]
    means: str
    does_not_mean: str
    chapters: tuple[str, ...]
    rests_on: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Callable[[str], Part], tuple[str]]:
        return _part_named, (self.name,)  # for its functions have no names by which pickle could find them


def _part_named(name: str) -> Part:
    return next(part for part in PARTS if part.name == name)


PARTS = (
    Part(
        "about",
        "What is the network?",
        lambda run: structure.about(run.subject),
        figures.about,
        "The graph has a vertex for every unit (every channel of a convolution) and an edge for every weight, as "
        "strong as the weight is large. Signs and biases are ignored.",
        "A unit without an edge is of no use to the graph; through its bias it may still say something to the network.",
        ("clusterability",),
    ),
    Part(
        "clusterable",
        "Is it clusterable?",
        lambda run: structure.clusterable(run.subject, run.settings, run.seed, run.jobs, run.on_step),
        figures.clusterable,
        "The n-cut is the weight that crosses between modules, relative to the weight at them, summed over the "
        "modules: 0 is parts that know nothing of each other, k the worst. p is how often a shuffle of the "
        "network's own weights is cut as cheaply, with the interval in which it would lie after endless shuffles. "
        "The null layer moves all weights of a layer, layer-nonzero only those that are not zero. Stability is the "
        "adjusted Rand index of clusterings from other random starts: 1 is the same modules. Significant is by "
        "Benjamini-Hochberg, 5%.",
        "An n-cut says nothing without its shuffles: any graph can be cut somewhere. Significant does not mean "
        "strongly modular, nor that the modules do anything. Where modules are runs of whole layers, shuffles "
        "within layers hardly change the cut, and the test is blind.",
        ("clusterability", "dropout", "topology-shuffles"),
    ),
    Part(
        "modules",
        "What are its modules?",
        lambda run: structure.modules(run.subject, run.found),
        figures.modules,
        "Each unit belongs to one module. Weight inside is the share of the weight at a module's units that joins "
        "them to each other.",
        "There are modules in this table whatever the network; whether they are more than chance is said above. The"
        " number k was picked after looking, so it is no finding.",
        ("clusterability",),
        ("clusterable",),
    ),
    Part(
        "lesions",
        "What does it lose without each module?",
        lambda run: function.lesions(run.subject, run.found, run.settings, run.rng, run.on_step),
        figures.lesions,
        "A sub-cluster is a module's part of one hidden layer. A lesion sets the weights into its units to zero; "
        "lost is the accuracy that goes. p is how often as many random units of the layer cost as much. Important, "
        "in the papers' sense: at least 5% of the layer, more than each random set, more than a percentage point.",
        "A module that costs no more than random units may still compute something, which other units compute too. "
        "Lost accuracy is not what a module does, only what the rest cannot do without it.",
        ("importance", "dependencies", "hypothesis-tests"),
        ("modules",),
    ),
    Part(
        "responses",
        "What does each module respond to?",
        lambda run: function.responses(run.subject, run.found, run.settings, run.rng, run.on_step),
        figures.responses,
        "Answers most to: the class for which the standardised activity of the units is largest, beside random "
        "units of the layer. An image shows the rank correlation of units with every pixel, averaged after signs "
        "are aligned; contrast, its standard deviation over pixels, is high where the units share one image.",
        "Correlation is not what a unit computes, and a contrast that random units have as well shows the data, not"
        " the module.",
        ("coherence",),
        ("modules",),
    ),
    Part(
        "similar",
        "Do units fall into communities by what they see and do?",
        lambda run: function.similar(run.subject, run.settings, run.rng, run.on_step),
        figures.similar,
        "Two units are alike upstream if they vary together over the inputs (covariance), and downstream if the "
        "loss curves alike along them (Hessian). Q compares the likeness within communities with what chance would "
        "put there; p compares Q with that of the network with its weights in random places.",
        "Q above 0 alone says little, since a search for the best partition finds some in noise. Communities are "
        "found without the modules above, and need not be the same.",
        ("upstream-downstream",),
    ),
    Part(
        "masks",
        "Which weights does one class need?",
        lambda run: needs.masks(run.subject, run.settings, run.seed, run.on_step),
        figures.none,
        "A mask keeps the weights that are enough for what it is shown. It is learned with all classes, and without"
        " one of them, on half of the inputs; accuracies are on the other half. A class with weights of its own "
        "loses much by the second mask, while the other classes lose nothing. The output layer keeps the "
        "first mask, or the class would be cut off there.",
        "Masks are learned for few steps here, a tenth of the paper's or less, so a weight that is kept may only "
        "not yet have been dropped. A class whose mask costs it little may share all of its weights.",
        ("weight-masks", "class-removal"),
    ),
    Part(
        "agreement",
        "Where do the notions agree?",
        lambda run: needs.agreement(run.subject, run.found, run.settings, run.rng),
        figures.none,
        "Agreement is the adjusted Rand index of two groupings of a layer's units: 1 is the same groups, 0 is what "
        "chance gives. p is by permuting the units.",
        "Modules by weights and by function are different questions; where they disagree, neither is wrong.",
        ("upstream-downstream", "coherence"),
        ("modules", "similar"),
    ),
)
