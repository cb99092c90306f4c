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
from .random import random_images as random_images
