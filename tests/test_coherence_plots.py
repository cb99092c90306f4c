"""Figures on coherence show what the rows say."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from modlib.chapters.coherence.experiment import CONTRAST, SCORE
from modlib.chapters.coherence.figures import (
    MOST,
    against_random,
    examples,
    p_values,
    pictures,
    squares,
    stored_pictures,
)

mpl.use("Agg")


def rows(measure: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "network": network, "dataset": "mnist", "dropout": "no", "seed": 0, "layer": layer, "measure": measure,
                "n_random": 4, "value": float(layer), "random": "1 2 3 6", "p_ties_against": 0.2 * layer,
            }
            for network in ("mlp", "cnn")
            for layer in (1, 2, 2, 5)
        ]
    )  # fmt: skip


def test_a_stack_is_drawn_side_by_side():
    picture = squares(np.arange(18.0), channels=2)
    assert picture.shape == (3, 7)
    assert np.isnan(picture[:, 3]).all()
    np.testing.assert_array_equal(picture[:, 4:], np.arange(9.0, 18).reshape(3, 3))
    assert squares(np.arange(16.0)).shape == (4, 4)


def test_every_image_is_drawn_on_one_scale():
    columns = [[np.full((4, 4), 0.1 * i - 0.05 * j) for j in range(5)] for i in range(MOST + 2)]
    figure = pictures(columns, [f"1-{i}" for i in range(MOST + 2)])
    assert len(figure.axes) == 5 * MOST
    assert {ax.images[0].get_clim() for ax in figure.axes} == {(-1.1, 1.1)}
    assert figure.axes[3].get_title() == "1-3"
    np.testing.assert_array_equal(figure.axes[MOST + 3].images[0].get_array(), columns[3][1])
    assert {ax.images[0].get_clim() for ax in pictures(columns, ["a"] * 20, signed=False).axes} == {(0, 1)}


def test_wide_pictures_are_smaller():
    square, wide = (pictures([[np.ones((4, width))] * 2] * 20, ["a"] * 20) for width in (4, 9))
    assert len(wide.axes) == len(square.axes) == 2 * MOST
    assert wide.get_figwidth() == pytest.approx(square.get_figwidth(), rel=0.05)
    assert wide.get_figheight() < square.get_figheight()


@pytest.mark.parametrize(("measure", "limits"), [(CONTRAST, (-0.5, 0.5)), (SCORE, (0, 1))])
def test_stored_pictures_are_those_of_the_rows(measure, limits):
    pixels = np.repeat([[50, -20, 0, 10, 30]], 8, axis=0).T  # two channels of 2 x 2
    text = " ".join(map(str, pixels.ravel()))
    table = pd.DataFrame(
        {"layer": [1, 1, 3], "cluster": [2, 4, 0], "size": 7, "measure": measure, "images": [text, np.nan, text]}
    )
    figure = stored_pictures(table, channels=2)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["1-2 (7)", "3-0 (7)"]
    assert figure.axes[0].images[0].get_clim() == limits
    assert [float(ax.images[0].get_array()[0, 0]) for ax in figure.axes[::2]] == [0.5, -0.2, 0, 0.1, 0.3]


def test_examples_have_their_labels():
    figure = examples(
        [("halves", np.zeros((3, 4, 4)), np.array([7, 1, 2])), ("stack", np.zeros((3, 4, 9)), np.arange(3))]
    )
    assert [ax.get_title() for ax in figure.axes] == ["7", "1", "2", "0", "1", "2"]


def test_bars_are_shares_of_sub_clusters():
    figure = p_values(rows(SCORE))
    assert len(figure.axes) == 2
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == pytest.approx([0.25, 0.5, 0, 0, 0.25])
    assert figure.axes[0].get_title() == "mlp\nMNIST"
    composite = rows(SCORE).assign(dataset="mnist stack-same")
    assert p_values(composite).axes[1].get_title() == "cnn\nMNIST stack-same"


def test_points_are_sub_clusters():
    figure = against_random(rows(CONTRAST), "contrast")
    points = np.vstack([scatter.get_offsets() for scatter in figure.axes[0].collections])
    np.testing.assert_allclose(points, [[3, 1], [3, 2], [3, 2], [3, 5]])
