"""Chapter ``hypothesis-tests``: what do many small tests say together?"""
