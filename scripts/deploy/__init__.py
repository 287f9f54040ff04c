"""Programs that use exported weights without this bundle; copy them to where they are to run."""
