"""Pictures: series and dress, prompts, the painter and other providers, and the runs that make them."""
