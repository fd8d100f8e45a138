"""What runs inside a pipeline step: one thin KFP component a file, and the domain packages."""
