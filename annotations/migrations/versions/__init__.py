"""One file per format, numbered as the format is."""
