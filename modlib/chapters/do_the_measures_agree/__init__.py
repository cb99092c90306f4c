"""Chapter ``do-the-measures-agree``: five notions of a module, on the same units."""
