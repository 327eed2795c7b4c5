"""python: failures are exceptions with the library's sentence."""

import os
import pickle
import unittest

import harness


class Errors(harness.Case):
    def test_the_sentence_and_the_class(self):
        daub, model = self.daub, self.model
        cases = [
            (daub.InvalidArgument, "multiple", lambda: model.generate("a", width=65)),
            (daub.InvalidArgument, "euler", lambda: model.generate("a", sampler="eulr")),
            (daub.InvalidArgument, "prompt", lambda: model.generate()),
            (daub.InvalidArgument, "seed is -1", lambda: model.generate("a", seed=-1)),
            (daub.InvalidArgument, "vae_rows is -1", lambda: model.decode(__import__("numpy").zeros((16, 8, 8)), vae_rows=-1)),
            (daub.InvalidArgument, "clip_skip is 4294967297", lambda: model.encode("a", clip_skip=2**32 + 1)),
            (daub.InvalidArgument, "weight_cache_limit", lambda: daub.Model(weight_cache_limit=2**64)),
            (daub.InvalidArgument, "zero byte", lambda: model.generate("a\0b")),
            (daub.InvalidArgument, "tiny.*resident, small, stream", lambda: model.generate("a", memory="tiny")),
            (daub.InvalidArgument, "precision", lambda: daub.Model(precision="f8")),
            (daub.InvalidArgument, "strength", lambda: model.generate("a", strength=0.5)),
            (
                daub.InvalidArgument,
                "float32.*bytes",
                lambda: model.generate("a", init=__import__("numpy").zeros((64, 64, 3), "float32")),
            ),
            (daub.InvalidArgument, r"\[64\]", lambda: model.generate("a", init=bytes(64))),
            (daub.FileError, "none.png", lambda: daub.read_image("none.png")),
            (daub.FileError, "nowhere", lambda: daub.Model("nowhere", device=self.device)),
            (daub.BadFile, "", lambda: daub.read_image(b"no picture")),
            (daub.NoDevice, "no such GPU|matches|device", lambda: daub.Device("no such GPU")),
        ]
        for kind, sentence, call in cases:
            with self.subTest(sentence), self.assertRaisesRegex(kind, sentence) as caught:
                call()
            self.assertTrue(caught.exception.status.startswith("DAUB_ERROR_"))
            self.assertIsInstance(caught.exception, daub.Error)
        with self.assertRaises(TypeError):
            model.generate(7)
        with self.assertRaises(TypeError):
            model.generate("a", stepz=3)

    def test_a_picture_into_no_folder(self):
        """The sentence names what the caller named, not the file that is written beside it first."""
        with self.assertRaises(FileNotFoundError) as caught:
            self.daub.Image(1, 1, 3, b"abc").save("no folder/a.png")
        self.assertEqual(caught.exception.filename, "no folder/a.png")
        self.assertTrue(str(caught.exception).endswith("'no folder/a.png'"), caught.exception)

    def test_out_of_memory(self):
        with self.daub.Device(max_memory=8 << 20) as device, self.daub.Model(device=device) as model:
            with self.assertRaisesRegex(self.daub.OutOfMemory, "MB|GB|bytes"):
                model.generate("a dog")
            with self.assertRaises(MemoryError):
                model.generate("a dog")

    def test_the_usual_classes(self):
        self.assertTrue(issubclass(self.daub.InvalidArgument, ValueError))
        error = pickle.loads(pickle.dumps(self.daub.Cancelled("text", "DAUB_ERROR_CANCELLED")))
        self.assertEqual((str(error), error.status), ("text", "DAUB_ERROR_CANCELLED"))


class Loading(unittest.TestCase):
    def test_a_library_that_is_not_there(self):
        status, out, err = harness.run("import daub", DAUB_LIBRARY="/nowhere/libdaub.so")
        self.assertEqual(status, 1)
        self.assertIn("ImportError: daub: /nowhere/libdaub.so cannot be loaded", err)
        self.assertIn("DAUB_LIBRARY", err.splitlines()[-1])

    def test_another_version(self):
        status, out, err = harness.run("""
            import importlib.util, os, sys
            spec = importlib.util.spec_from_file_location("daub._abi", os.path.join(sys.path[1], "daub", "_abi.py"))
            abi = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(abi)
            abi.DAUB_VERSION_MINOR += 1
            sys.modules["daub._abi"] = abi
            import daub
        """)
        self.assertEqual(status, 1, out + err)
        self.assertIn("this package is for libdaub", err.splitlines()[-1])


if __name__ == "__main__":
    unittest.main()
