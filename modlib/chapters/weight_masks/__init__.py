"""Chapter ``weight-masks``: which weights does a function need?"""
