"""Charts: one file a subject, each a figure from plain data, in light and in dark."""
