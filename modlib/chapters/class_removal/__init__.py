"""Chapter ``class-removal``: does a class have weights of its own?"""
