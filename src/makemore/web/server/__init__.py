"""Server: `makemore serve`, the page beside real trainings, and its JSON API. No torch in it.

What learns or draws runs in child processes; the server itself looks at run directories.
"""
