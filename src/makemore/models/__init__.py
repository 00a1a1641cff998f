"""One model a file, all with one interface (base.py)."""
