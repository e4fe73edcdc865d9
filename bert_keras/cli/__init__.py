"""The `bert-keras` command: thin; every command calls what a notebook would call."""


def main() -> None:
    """Runs the command line of the process and exits with its code (see `contract`)."""
    from bert_keras.cli.app import cli

    cli()
