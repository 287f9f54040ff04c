"""Command line tools: `python -m scripts.NAME --help`. They hold no logic of their own, except the file in `deploy`."""
