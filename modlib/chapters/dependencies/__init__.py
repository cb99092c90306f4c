"""Chapter ``dependencies``: which clusters need each other?"""
