"""Speed and statistics, measured: figures and how to get them again are in README.md."""
