"Only for those who call nbgrader itself in this folder: answers and misconceptions must not go out with a release."

c = get_config()  # noqa: F821
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "objectives.csv"]
