from .dividing import (
    Division as Division,
    divided_by_notion as divided_by_notion,
    profile_similarity as profile_similarity,
    similarity_clusters as similarity_clusters,
)
from .names import NOTIONS as NOTIONS
