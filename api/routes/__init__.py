"""One module for each group of calls; every module has a `calls` that lists them."""
