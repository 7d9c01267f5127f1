"""The subcommands of the clipal program, one small file each."""
