"""How the book is made: notebooks executed and built, and docstrings rendered."""
