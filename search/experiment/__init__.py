"""What is asked: the experiment file, its search space, and the frozen values that a trial takes
and gives."""
