"""The model server against KServe's, MLServer and BentoML, on one machine and in one run."""
