"""One call shape for every chat model."""
