"The requirements and commands of settings.ini, handed to setuptools; all else stands in pyproject.toml."

from configparser import ConfigParser

from setuptools import find_packages, setup

config = ConfigParser(delimiters=["="])
config.read("settings.ini", encoding="utf-8")
settings = config["DEFAULT"]

setup(
    packages=find_packages(include=["cardioteach", "cardioteach.*"]),
    package_data={
        "cardioteach": ["ledger.csv", "printed/*.csv", "quizzes/*.json", "results/*.json", "weights/*"]
    },
    install_requires=settings["requirements"].split(),
    extras_require={
        key.removesuffix("_requirements"): settings[key].split()
        for key in settings
        if key.endswith("_requirements")
    },
    entry_points={
        "console_scripts": settings["console_scripts"].split(),
        "nbdev": ["cardioteach=cardioteach._modidx:d"],
    },
)
