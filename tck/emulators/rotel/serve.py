# The package holds a program, and no command that starts it with arguments.
import os
import pathlib
import sys

import rotel

agent = pathlib.Path(rotel.__file__).parent / "rotel-agent"
os.execv(agent, [str(agent), *sys.argv[1:]])
