"""How the book is made: notebooks executed and built, and docstrings rendered."""

from importlib.metadata import version

from modlib.errors import extra

with extra("book", "the book"):
    for package in ("jupyter-book", "jupytext", "nbformat", "papermill", "ipykernel", "jsonschema"):
        version(package)  # whether it is there; to import them all would take seconds
