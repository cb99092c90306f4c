from .damage import (
    Damage as Damage,
)
from .damage import (
    DoubleLesion as DoubleLesion,
)
from .damage import (
    LesionTest as LesionTest,
)
from .damage import (
    damages as damages,
)
from .damage import (
    double_lesions as double_lesions,
)
from .damage import (
    lesion_tests as lesion_tests,
)
from .kinds import (
    MIN_DROP as MIN_DROP,
)
from .kinds import (
    MIN_PROPORTION as MIN_PROPORTION,
)
from .kinds import (
    Kind as Kind,
)
from .kinds import (
    kind as kind,
)
from .kinds import (
    kind_in_first_paper as kind_in_first_paper,
)
