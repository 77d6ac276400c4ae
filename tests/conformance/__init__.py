"""One property a file, over the whole catalogue."""
