"""An agent in a process of its own that kills itself at one step: ``python failing_agent.py SETTINGS.json STEP
COUNT``."""

import json
import os
import signal
import sys
from pathlib import Path

from hubernate_checkpointer.agent import Agent
from hubernate_checkpointer.config import CheckpointAgent
from hubernate_checkpointer.log import start_logging


def main() -> None:
    """Run until killed."""
    settings, step, count = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], int(sys.argv[3])
    seen: list[str] = []

    def on_step(name: str) -> None:
        seen.append(name)
        if name == step and seen.count(name) == count:
            os.kill(os.getpid(), signal.SIGKILL)

    start_logging()
    agent = Agent(CheckpointAgent(**settings), on_step)
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    agent.run()


if __name__ == "__main__":
    main()
