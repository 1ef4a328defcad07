"""What runs Freshet somewhere: compose and its configuration, and the local cluster."""
