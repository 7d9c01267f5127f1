"""Client programs' own settings files, which `clipal connect` edits."""
