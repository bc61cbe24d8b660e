"""The composition root: everything made in order and handed to those who need it. Only `root` knows all of it."""
