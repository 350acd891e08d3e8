"Learn deep learning on medical images by rebuilding published classifiers, and by finding out what their numbers hide."

__version__ = "0.1.0"
