"""What a configuration looks like, kept beside the code, so that a change which stored rows do not survive is seen."""
