"""Permuted images: the same images and labels, in another order of pixels for every task."""

import numpy as np
import pytest
import torch

from modlib.data.images import load_images
from modlib.errors import InputError
from modlib.zoo.permuted_images import permuted_tasks, xavier_perceptron


def test_tasks_show_the_same_images_with_their_pixels_in_another_order():
    tasks, images = permuted_tasks("digits", 3, 0), load_images("digits")
    plain = (images.x_test - images.x_train.mean()) / images.x_train.std()
    np.testing.assert_allclose(tasks[0].x_test, plain, rtol=1e-5, atol=1e-6)
    drawn = [task.draw(np.random.default_rng(1), 40) for task in tasks]
    for task, (x, y) in zip(tasks[1:], drawn[1:], strict=True):
        assert not torch.equal(task.x_test, tasks[0].x_test)
        torch.testing.assert_close(task.x_test.sort(1).values, tasks[0].x_test.sort(1).values)
        assert torch.equal(task.y_test, tasks[0].y_test)
        # training and test images of a task have the same order; some pixels are 0 in all test images
        for place, column in enumerate(task.x_test.T):
            same = (tasks[0].x_test == column[:, None]).all(0).nonzero().flatten()
            if len(same) == 1:
                assert torch.equal(x[:, place], drawn[0][0][:, int(same)])
        assert torch.equal(y, drawn[0][1])
    assert not torch.equal(tasks[1].x_test, tasks[2].x_test)
    again = permuted_tasks("digits", 3, 0)
    assert all(torch.equal(one.x_test, two.x_test) for one, two in zip(tasks, again, strict=True))


def test_accuracy_is_the_share_of_images_that_are_right():
    task = permuted_tasks("digits", 1, 0)[0]

    class Always(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(torch.full((len(x),), 3), 10).float()

    assert task.accuracy(Always()) == float((task.y_test == 3).double().mean())


def test_the_start_has_the_variance_of_xavier_for_relu():
    module = xavier_perceptron(300, (400, 50), np.random.default_rng(0))
    for layer in (module[0], module[2], module[4]):
        expected = np.sqrt(4 / sum(layer.weight.shape))
        np.testing.assert_allclose(layer.weight.detach().std(), expected, rtol=0.1)
        assert not layer.bias.any()


@pytest.mark.parametrize("n", [0, 1.5, "two"])
def test_a_number_of_tasks_that_is_none_is_refused(n):
    with pytest.raises(InputError, match="n = "):
        permuted_tasks("digits", n, 0)
