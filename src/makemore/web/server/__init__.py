"""Server: the page beside trainings of this machine, over HTTP. No torch in its process."""
