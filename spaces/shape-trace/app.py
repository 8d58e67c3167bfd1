"""The Space's entry point; the app itself is ``rotbot.space``. ``ROTBOT_MODELS`` lists what the picker offers."""

import os

from rotbot.shapes.isolation import worker_pid
from rotbot.space.app import build, launch

if __name__ == "__main__":
    worker_pid()
    launch(build(tuple(os.environ.get("ROTBOT_MODELS", "embedded").split())))
