"""What a process that meets a model file may use: memory, time, files, network, environment.

The limits are for a file that asks for too much, for a library that it takes over, and for its code
when ``--trust`` lets that run. A process binds itself before it loads anything large, and its
children inherit the limits. What a platform has no means for is left out; docs/security.md says
which.
"""

from opcheck.confine.environment import environment
from opcheck.confine.limits import GIB, LARGEST_FILE, Limits, default_memory
from opcheck.confine.program import command

__all__ = ["GIB", "LARGEST_FILE", "Limits", "command", "default_memory", "environment"]
