"The requirements and commands of settings.ini, handed to setuptools; all else stands in pyproject.toml."
from configparser import ConfigParser

from setuptools import find_packages, setup

settings = ConfigParser(delimiters=["="])
settings.read("settings.ini", encoding="utf-8")
settings = settings["DEFAULT"]
extras = {key.removesuffix("_requirements"): settings[key].split() for key in settings if key.endswith("_requirements")}

setup(
    description=settings["description"],
    author=settings["author"],
    license=settings["license"],
    url=f"https://github.com/{settings['user']}/{settings['repo']}",
    packages=find_packages(include=["cardioteach", "cardioteach.*"]),
    package_data={"cardioteach": ["results/*.json"]},
    install_requires=settings["requirements"].split(),
    extras_require=extras,
    entry_points={
        "console_scripts": settings["console_scripts"].split(),
        "nbdev": [f"{settings['repo']}=cardioteach._modidx:d"],
    },
)
