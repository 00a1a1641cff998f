"""Command line: reads options, calls the API, prints. Nothing imports it."""
