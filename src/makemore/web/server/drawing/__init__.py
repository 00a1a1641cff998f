"""Drawing: a child process that draws, scores and explains for the server, many at once.

The server imports no torch; the child does. It keeps runs open, and is started with the first
request, and anew after a request that took too long.
"""

from makemore.web.server.drawing.drawing import Drawing
from makemore.web.server.drawing.waiting import Busy

__all__ = ["Busy", "Drawing"]
