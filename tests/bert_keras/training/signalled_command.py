"""`bert-keras` in a process of its own that sends itself a signal: `signalled_command.py STEP SIGNAL ARGUMENTS…`.

The signal comes after that step of `pretrain`; with step 0 there is none.
"""

import os
import sys

from bert_keras.cli import main
from bert_keras.cli.pretrain import _Shown


def signal_after(wanted, number):
    before = _Shown.step

    def step(self, done, loss):
        before(self, done, loss)
        if done == wanted:
            os.kill(os.getpid(), number)

    _Shown.step = step


if __name__ == "__main__":
    signal_after(int(sys.argv[1]), int(sys.argv[2]))
    sys.argv[1:] = sys.argv[3:]
    main()
