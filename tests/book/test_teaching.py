"""The exercises of every chapter: how many, on which levels, with a blank, a check and a solution that is run."""

import inspect
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from modlib.book.notebooks import read_notebook
from modlib.exercises import check_answer, check_function
from modlib.files import checkout

LEVELS = ("basic", "intermediate", "advanced")
OPEN = ("conceptual", "project")  # those without a blank: words and work that no check can judge
BOX = re.compile(r":::\{admonition\} (.+)")
TITLE = re.compile(r"Exercise (\d+) \((\w+)(?:, (\w+))?\): .+")


@dataclass
class Exercise:
    """A box in a chapter and what follows it up to the next one.

    Attributes:
        title: of its box.
        boxes: titles of the boxes that follow.
        blanks: sources of the open cells.
        hidden: sources of the cells whose code the site leaves out.
        solutions: sources of the cells that fold.
    """

    title: str
    boxes: list[str] = field(default_factory=list)
    blanks: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    solutions: list[str] = field(default_factory=list)


def chapters() -> list[str]:
    """Notebooks of the table of contents."""
    contents = yaml.safe_load((checkout() / "_toc.yml").read_text(encoding="utf-8"))
    files = [page["file"] for part in contents["parts"] for page in part["chapters"]]
    return [file.removeprefix("notebooks/") for file in files if file.startswith("notebooks/")]


def exercises(path: Path) -> list[Exercise]:
    """Exercises of a chapter, in their order."""
    found: list[Exercise] = []
    for cell in read_notebook(path).cells:
        if cell.cell_type == "markdown":
            for title in BOX.findall(cell.source):
                if title.startswith("Exercise"):
                    found.append(Exercise(title))
                elif found:
                    found[-1].boxes.append(title)
        elif found:
            tags = set(cell.metadata.get("tags", ()))
            kind = "hidden" if "remove-input" in tags else "solutions" if "hide-cell" in tags else "blanks"
            getattr(found[-1], kind).append(cell.source)
    return found


def faults(found: list[Exercise]) -> list[str]:
    """What is wrong with the exercises of a chapter, in words."""
    wrong = [f"{len(found)} exercises; five are the least"] if len(found) < 5 else []
    titles = [TITLE.fullmatch(exercise.title) for exercise in found]
    for exercise, title in zip(found, titles, strict=True):
        if not title or title[2] not in LEVELS or title[3] not in (None, *OPEN):
            wrong.append(f"{exercise.title!r} is no 'Exercise N (level): title', or '(level, conceptual)'")
    if wrong:
        return wrong
    matched = [title for title in titles if title]
    levels = [LEVELS.index(title[2]) for title in matched]
    if [int(title[1]) for title in matched] != list(range(1, len(found) + 1)):
        wrong.append("they are not numbered one by one")
    if levels != sorted(levels) or set(levels) != {0, 1, 2}:
        wrong.append("their levels do not rise from basic to advanced")
    for exercise, title in zip(found, matched, strict=True):
        if exercise.boxes.count("Solution") != 1 or set(exercise.boxes) - {"Hint", "Solution"}:
            wrong.append(f"exercise {title[1]} has the boxes {exercise.boxes}; one solution is expected, and hints")
        if title[3] in OPEN:
            continue
        check = f"check_{title[1]}"
        if not any(f"{check} = " in source for source in exercise.hidden):
            wrong.append(f"exercise {title[1]} has no hidden cell that makes {check}")
        if not any("..." in source and re.search(rf"^{check}\(", source, re.M) for source in exercise.blanks):
            wrong.append(f"exercise {title[1]} has no open cell with a blank that calls {check}")
        if not any(re.search(rf"assert {check}\(", source) for source in exercise.solutions):
            wrong.append(f"exercise {title[1]} has no solution that passes {check}")
    return wrong


@pytest.mark.parametrize("name", chapters())
def test_a_chapter_has_five_exercises_on_three_levels_with_checks_and_solutions(name: str) -> None:
    assert not faults(exercises(checkout() / "notebooks" / f"{name}.md"))


def said_of_the_blank(exercise: Exercise, check: str) -> str:
    """What a check says of an open cell as it is."""
    given: list[object] = []
    (source,) = [source for source in exercise.blanks if re.search(rf"^{check}\(", source, re.M)]
    exec(source, {check: given.append})
    (answer,) = given
    if callable(answer):
        nothing = (0,) * len(inspect.signature(answer).parameters)
        return check_function(answer, lambda *_: 0, [nothing], "A hint.").verdict
    return check_answer(answer, 0, "A hint.").verdict


@pytest.mark.parametrize("name", chapters())
def test_an_exercise_that_nobody_has_touched_is_not_answered_yet(name: str) -> None:
    verdicts = {
        exercise.title: said_of_the_blank(exercise, f"check_{number}")
        for number, exercise in enumerate(exercises(checkout() / "notebooks" / f"{name}.md"), 1)
        if not re.search(rf", ({'|'.join(OPEN)})\)", exercise.title)
    }
    assert set(verdicts.values()) == {"not answered yet"}, verdicts


def test_the_skeleton_of_a_chapter_begins_with_such_exercises() -> None:
    assert not faults(exercises(checkout() / "skeleton" / "notebooks" / "example-chapter.md"))


def test_the_page_for_teachers_puts_every_exercise_in_class_or_at_home() -> None:
    page = (checkout() / "book" / "teaching.md").read_text(encoding="utf-8")
    table = page.split("## Which exercises where", 1)[1].split("(exam-questions)=", 1)[0]
    rows = re.findall(r"^\| \{doc\}`/notebooks/([\w-]+)` \| ([\d, ]+) \| ([\d, ]+) \|$", table, re.M)
    assert [name for name, _, _ in rows] == chapters()
    for name, in_class, at_home in rows:
        numbers = sorted(map(int, f"{in_class}, {at_home}".split(", ")))
        assert numbers == list(range(1, len(exercises(checkout() / "notebooks" / f"{name}.md")) + 1)), name


def test_a_session_has_ninety_minutes() -> None:
    page = (checkout() / "book" / "teaching.md").read_text(encoding="utf-8")
    sessions = re.findall(r"^### Session \d.*?(?=^##)", page, re.M | re.S)
    assert len(sessions) == 4
    for session in sessions:
        assert sum(map(int, re.findall(r"^\| (\d+) \|", session, re.M))) == 90, session


WHOLE = """\
:::{admonition} Exercise 1 (basic): count
:::

```{code-cell} ipython3
:tags: [remove-input]

check_1 = partial(check_answer, right=1, hint="Count.")
```

```{code-cell} ipython3
answer = ...

check_1(answer)
```

:::{admonition} Solution
:::

```{code-cell} ipython3
:tags: [hide-cell]

assert check_1(1)
```
"""
FIVE = [
    WHOLE.replace("Exercise 1", f"Exercise {number}").replace("check_1", f"check_{number}").replace("basic", level)
    for number, level in enumerate((*LEVELS, "advanced", "advanced, conceptual"), 1)
]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Exercise 3", "Exercise 4", "not numbered"),
        ("(intermediate)", "(advanced)", "do not rise"),
        ("(basic)", "(easy)", "is no 'Exercise N (level): title'"),
        ("answer = ...", "answer = 1", "exercise 1 has no open cell with a blank"),
        ("assert check_2(1)", "check_2(1)", "exercise 2 has no solution that passes"),
        ("check_3 = partial", "check_0 = partial", "exercise 3 has no hidden cell"),
        ("{admonition} Solution", "{admonition} Answer", "exercise 1 has the boxes ['Answer']"),
        ("Exercise 5 (advanced, conceptual): count", "Note", "4 exercises"),
    ],
)
def test_what_lacks_is_noticed(tmp_path: Path, old: str, new: str, says: str) -> None:
    path, text = tmp_path / "chapter.md", "\n".join(FIVE)
    header = (checkout() / "notebooks" / "dropout.md").read_text(encoding="utf-8").split("# ", 1)[0]
    path.write_text(header + "# A chapter\n\n" + text, encoding="utf-8")
    assert not faults(exercises(path))
    path.write_text(header + "# A chapter\n\n" + text.replace(old, new, 1), encoding="utf-8")
    assert any(says in fault for fault in faults(exercises(path)))
