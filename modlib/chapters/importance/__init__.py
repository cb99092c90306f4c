"""Chapter ``importance``: do the clusters do anything?"""
