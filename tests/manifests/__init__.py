"""What the cluster is given, as it was last reviewed, and how to write it anew."""
