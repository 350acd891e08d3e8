"""Synthetic data with known truth, written in the real data's file layout."""
