from .answers import (
    Tokens as Tokens,
    draw_sequences as draw_sequences,
    exactly_right as exactly_right,
    token_loss as token_loss,
)
from .arithmetic import (
    Task as Task,
    make_task as make_task,
)
from .cnns import (
    accuracy as accuracy,
    cnn_images as cnn_images,
    trained_small_cnn as trained_small_cnn,
    untrained_small_cnn as untrained_small_cnn,
)
from .colour_cnns import (
    Split as Split,
    split_images as split_images,
    trained_cnn as trained_cnn,
)
from .imagenet import (
    ImageNetwork as ImageNetwork,
    imagenet_network as imagenet_network,
)
from .kinds import trained as trained
from .mathematics import (
    letters as letters,
    trained_on_questions as trained_on_questions,
)
from .perceptrons import (
    RANDOM_DATASETS as RANDOM_DATASETS,
    TrainedPair as TrainedPair,
    data_for as data_for,
    recipe_for as recipe_for,
    trained_mlp as trained_mlp,
)
from .permuted_images import (
    PermutedTask as PermutedTask,
    permuted_tasks as permuted_tasks,
    xavier_perceptron as xavier_perceptron,
)
from .pruned import (
    PENALTIES as PENALTIES,
    Scored as Scored,
    pruned_regression as pruned_regression,
    pruned_small_cnn as pruned_small_cnn,
    pruned_vgg as pruned_vgg,
    turned as turned,
)
from .readers import (
    dense_readers as dense_readers,
    readers_with_a_trunk as readers_with_a_trunk,
    two_readers as two_readers,
)
from .resnets import (
    residual_images as residual_images,
    trained_resnet as trained_resnet,
)
from .scan import (
    taught_for as taught_for,
    tokens as tokens,
    trained_on_scan as trained_on_scan,
)
