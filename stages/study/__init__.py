"""What params.yaml may say: its keys and their bounds, what contradicts what, what data allow."""
