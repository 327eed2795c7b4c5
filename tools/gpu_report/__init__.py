"""What tools/gpu-report is made of."""
