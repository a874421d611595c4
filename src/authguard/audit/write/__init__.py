"""The write path of the log: chain, fsync, rotation, retention, checkpoints and anchors."""
