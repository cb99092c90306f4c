"""Chapter ``transfer``: does a network reuse what it has learned for the next task?"""
