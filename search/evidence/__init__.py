"""From predictions to conclusions: effects with their intervals, the null floor, verdicts, power.
NumPy and SciPy alone."""
