"""What the operator wrote: the YAML files, as frozen values."""
