"""python: type hints and docstrings of all that is public; mypy --strict where mypy is installed."""

import importlib.util
import inspect
import os
import subprocess
import sys
import tempfile
import unittest

import harness


class Types(unittest.TestCase):
    def test_everything_public_is_documented_and_typed(self):
        import daub

        for name in daub.__all__:
            thing = getattr(daub, name)
            self.assertTrue(thing.__doc__, name)
            members = (
                [thing] if inspect.isfunction(thing) else [m for n, m in vars(thing).items() if not n.startswith("_")]
            )
            for member in members:
                function = member.fget if isinstance(member, property) else member
                if not inspect.isfunction(function):
                    continue
                what = "%s.%s" % (name, function.__name__)
                if function is not daub.Model.close:
                    self.assertTrue(function.__doc__, what)
                signature = inspect.signature(function)
                self.assertIsNot(signature.return_annotation, signature.empty, what)
                for parameter in list(signature.parameters.values())[0 if inspect.isfunction(thing) else 1 :]:
                    self.assertIsNot(parameter.annotation, parameter.empty, "%s %s" % (what, parameter.name))
        self.assertTrue(os.path.exists(os.path.join(harness.PYTHON, "daub", "py.typed")))
        self.assertIn("guidance_rescale", inspect.signature(daub.Model.generate).parameters)

    @unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed")
    def test_mypy_strict(self):
        with tempfile.TemporaryDirectory() as cache:
            use = os.path.join(cache, "use.py")
            with open(use, "w", encoding="utf-8") as file:
                file.write("import daub\n\nmodel = daub.Model()\n")
                file.write('image: daub.Image = model.generate("a", steps=3)\n')
                file.write('model.generate("a", stepz=3)\n')
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "mypy",
                    "--strict",
                    "--cache-dir",
                    cache,
                    os.path.join(harness.PYTHON, "daub"),
                    os.path.join(harness.PYTHON, "examples"),
                    use,
                ],
                capture_output=True,
                text=True,
                cwd=cache,
                env=dict(os.environ, MYPYPATH=harness.PYTHON),
            )
        errors = [line for line in done.stdout.splitlines() if ": error:" in line]
        self.assertEqual(len(errors), 1, done.stdout + done.stderr)
        self.assertIn("stepz", errors[0])


if __name__ == "__main__":
    unittest.main()
