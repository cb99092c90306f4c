"""Chapter ``promoting-clusterability``: can networks be made clusterable on purpose?"""
