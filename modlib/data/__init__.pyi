from .arithmetic import (
    TASKS as TASKS,
)
from .arithmetic import (
    add_or_multiply as add_or_multiply,
)
from .arithmetic import (
    double_addition as double_addition,
)
from .composites import (
    compose as compose,
)
from .composites import (
    load_composite as load_composite,
)
from .images import (
    Images as Images,
)
from .images import (
    load_colour_images as load_colour_images,
)
from .images import (
    load_images as load_images,
)
from .random import random_images as random_images
