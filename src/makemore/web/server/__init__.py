"""Server: the page beside trainings, on this machine's loopback address. No torch."""
