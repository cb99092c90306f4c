"""Chapter ``do-the-measures-agree``: do five notions of a module find the same modules?"""
