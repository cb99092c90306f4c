"""The program ``modlib``, also as ``python -m modlib``: from its first moment Ctrl-C ends it without a traceback.

Chapter: none.
"""


def main() -> None:
    """Entry point, which imports the commands."""
    try:
        from modlib import cli
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    cli.main()


if __name__ == "__main__":
    main()
