"""Server: `makemore serve`, the page beside a real training, and a JSON API."""
