"""Picture generation: series, attributes, prompts, the painter and other providers, and the runs of pictures."""
