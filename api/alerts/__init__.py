"""Alerts: rules from one file, told to Prometheus or watched over in this process."""
