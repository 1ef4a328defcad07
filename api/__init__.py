"""The HTTP tier: routes, limits, fallbacks and the page. It sees the system through `Service`."""
