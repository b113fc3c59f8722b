"""What the benchmark shows, one part a file: each gives lines, and the measurements behind them."""
