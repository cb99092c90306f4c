"""Chapter ``upstream-downstream``: do units that see the same do the same?"""
