"""What the tests of python/daub share. CMake names the library, the command, the compiler and the source tree by the
environment."""

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

PYTHON = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = os.environ.get("DAUB_SOURCE_DIR", os.path.dirname(PYTHON))
if PYTHON not in sys.path:
    sys.path.insert(0, PYTHON)
COMMAND = os.environ.get("DAUB_COMMAND")


def run(code, timeout=120, **more):
    """A program in an interpreter of its own; its exit status, what it printed and what it complained of."""
    env = dict(os.environ, PYTHONPATH=PYTHON, **more)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=env,
    )
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    """A test with the default model on the default device, and a folder of its own."""

    @classmethod
    def setUpClass(cls):
        import daub

        cls.daub = daub
        cls.device = daub.Device()
        cls.model = daub.Model(device=cls.device)

    @classmethod
    def tearDownClass(cls):
        cls.device.close()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)
