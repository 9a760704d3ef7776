"""Who thinks: the model client, the router, prices and the offline model."""
