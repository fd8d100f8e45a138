"""What a window must look like: learned from the reference, checked before anything else."""
