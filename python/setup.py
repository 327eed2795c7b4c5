"""Packs libdaub and the default model with the package, where make_wheel.py has put them; else a wheel that uses the
system's libdaub.

A wheel with a library is one of this platform and of any Python 3: `py3-none-linux_x86_64`.
"""

import os

from setuptools import Distribution, setup

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # before setuptools 70.1
    from wheel.bdist_wheel import bdist_wheel

HAS_LIBRARY = os.path.isdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "daub", "lib"))


class Package(Distribution):
    def has_ext_modules(self):
        return HAS_LIBRARY


class Wheel(bdist_wheel):
    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


setup(cmdclass={"bdist_wheel": Wheel}, distclass=Package)
