"""What must be measured rather than asserted; every script names machine and commit."""
