from .arithmetic import (
    TASKS as TASKS,
    add_or_multiply as add_or_multiply,
    double_addition as double_addition,
)
from .composites import (
    compose as compose,
    load_composite as load_composite,
)
from .images import (
    Images as Images,
    load_colour_images as load_colour_images,
    load_images as load_images,
    smaller as smaller,
)
from .lines import line_images as line_images
from .mathematics import (
    Questions as Questions,
    load_questions as load_questions,
    small_questions as small_questions,
)
from .mixtures import (
    MIXTURES as MIXTURES,
    mix as mix,
)
from .polynomials import (
    COEFFICIENTS as COEFFICIENTS,
    MONOMIALS as MONOMIALS,
    Regression as Regression,
    polynomial_values as polynomial_values,
)
from .random import random_images as random_images
from .scan import (
    SPLITS as SPLITS,
    Scan as Scan,
    commands as commands,
    interpret as interpret,
    load_scan as load_scan,
    small_scan as small_scan,
    split_commands as split_commands,
)
