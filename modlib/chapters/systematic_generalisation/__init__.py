"""Chapter ``systematic-generalisation``: does a network that knows all commands know them by their parts?"""
