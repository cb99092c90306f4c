"""Chapter ``coherence``: do the units of a sub-cluster respond to the same thing?"""
