"""MONAI Label with this bundle: start the server, ask it. They run in the environment of ``make monai-label``."""
