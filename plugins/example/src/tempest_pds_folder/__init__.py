"""An example plugin for Tempest: blobs in a plain folder, and a journal of what happened."""
