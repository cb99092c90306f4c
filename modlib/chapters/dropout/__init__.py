"""Chapter ``dropout``: does dropout make networks more clusterable?"""
