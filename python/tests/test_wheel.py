"""python: a wheel builds, installs into a fresh environment without a network, and its examples run there."""

import glob
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile

import harness


@unittest.skipUnless(os.environ.get("DAUB_LIBRARY"), "DAUB_LIBRARY names no libdaub to pack")
class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = os.path.realpath(cls.temporary.name)
        make = [sys.executable, os.path.join(harness.PYTHON, "make_wheel.py"), os.environ["DAUB_LIBRARY"], cls.folder]
        cls.made = subprocess.run(make, capture_output=True, text=True)
        cls.wheels = glob.glob(os.path.join(cls.folder, "*.whl"))

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def setUp(self):
        self.assertEqual(
            (self.made.returncode, len(self.wheels)), (0, 1), self.made.stdout[-2000:] + self.made.stderr[-4000:]
        )

    def test_what_is_in_it(self):
        self.assertRegex(os.path.basename(self.wheels[0]), r"^daub-\d+\.\d+\.\d+-py3-none-linux_\w+\.whl$")
        names = zipfile.ZipFile(self.wheels[0]).namelist()
        for name in (
            "daub/__init__.py",
            "daub/_abi.py",
            "daub/_abi.pyi",
            "daub/_functions.py",
            "daub/py.typed",
            "daub/lib/libdaub.so",
            "daub/model/model_index.json",
            "daub/lib/libcjson.so.1",
            "daub/model/daub.json",
            "daub/model/LICENCES.md",
        ):
            self.assertIn(name, names)
        self.assertTrue(any(name.startswith("daub/model/unet/") and name.endswith(".safetensors") for name in names))
        self.assertFalse([name for name in names if "golden" in name or "__pycache__" in name])

    def test_its_examples_run_where_it_is_installed(self):
        venv = os.path.join(self.folder, "venv")
        subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", venv], check=True)
        python = os.path.join(venv, "bin", "python")
        env = {k: v for k, v in os.environ.items() if k not in ("DAUB_LIBRARY", "PYTHONPATH", "DAUB_DEFAULT_MODEL")}
        subprocess.run(
            [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-index",
                "--no-deps",
                "--disable-pip-version-check",
                self.wheels[0],
            ],
            check=True,
            env=env,
        )
        run = os.path.join(self.folder, "run")
        os.mkdir(run)
        said = {}
        for example in sorted(glob.glob(os.path.join(harness.PYTHON, "examples", "*.py"))):
            done = subprocess.run([python, example], capture_output=True, text=True, cwd=run, env=env, timeout=300)
            self.assertEqual((done.returncode, done.stderr), (0, ""), example)
            said[os.path.basename(example)] = done.stdout
        self.assertEqual(said["apple.py"], "apple.png: 64x64, seed 3\n")
        self.assertEqual(said["progress.py"].count("mean colour"), 3)
        self.assertIn("cancelled after 3 of 12", said["progress.py"])
        self.assertEqual(said["painting.py"], "kept to the byte: True\n")
        self.assertEqual(said["between.py"], "between.png: 5 pictures\n")
        self.assertEqual(said["again.py"].splitlines()[1:], ["the same"])
        names = ["apple", "between", "first", "green", "half", "heart", "seed-12", "seed-13"]
        self.assertEqual(sorted(os.listdir(run)), [name + ".png" for name in names])
        where = subprocess.run(
            [python, "-c", "import daub; print(daub.__file__, daub.inspect().path)"],
            capture_output=True,
            text=True,
            cwd=run,
            env=env,
            check=True,
        ).stdout
        self.assertEqual(where.count(os.path.join(venv, "lib")), 2, where)  # code and model


if __name__ == "__main__":
    unittest.main()
