"""ape's command line, many commands in one process: ape takes seconds to start.

Each line of standard input is a JSON list of words; the answer is one line ``[exit code, standard
output, standard error]``.
"""

import json
import sys

from ape._cli import cli
from click.testing import CliRunner


def main() -> None:
    """Run commands until standard input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    runner = CliRunner(mix_stderr=False)
    for line in sys.stdin:
        done = runner.invoke(cli, json.loads(line))
        told = done.stderr
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            told += repr(done.exception)
        print(json.dumps([done.exit_code, done.stdout, told]), file=answers, flush=True)


if __name__ == "__main__":
    main()
