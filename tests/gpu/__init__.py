"""Tests for whoever has a graphics card: `make test-gpu`. They need torch and numpy, no pytest."""
