from .damage import (
    Damage as Damage,
    DoubleLesion as DoubleLesion,
    LesionTest as LesionTest,
    damages as damages,
    double_lesions as double_lesions,
    lesion_tests as lesion_tests,
)
from .kinds import (
    MIN_DROP as MIN_DROP,
    MIN_PROPORTION as MIN_PROPORTION,
    Kind as Kind,
    kind as kind,
    kind_in_first_paper as kind_in_first_paper,
)
from .profiles import lesion_profiles as lesion_profiles
