"""Chapter ``null-models``: compared with what?"""
