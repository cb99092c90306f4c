"""Chapter ``clusterability``: are trained networks clusterable, and does pruning make them more so?"""
