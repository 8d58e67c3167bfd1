"""``python -m rotbot`` is the ``rotbot`` command."""

from rotbot.cli.main import main

main()
