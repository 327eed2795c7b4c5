"""python: pictures say what made them: the command draws Python's again to the same pixels, Python the command's."""

import copy
import dataclasses
import os
import pickle
import subprocess
import unittest

import harness

PROMPT = "a (red:1.2) apple, \u03b1"


class Parameters(harness.Case):
    def command(self, *arguments):
        if not harness.COMMAND:
            self.skipTest("DAUB_COMMAND names no daub command")
        done = subprocess.run([harness.COMMAND, *arguments], capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def redrawn(self, name, *arguments):
        """The command's from-image of it, which has nothing to warn of."""
        self.assertEqual(self.command("from-image", name, "--exact", "-q", "-o", "again.png", *arguments), "")
        return self.daub.read_image(self.path("again.png"))

    def test_the_command_redraws_a_python_picture(self):
        told = dict(steps=3, guidance=3.5, seed=9, clip_skip=2)
        for given in (
            dict(negative="blue", guidance_rescale=0.5, width=96, rng="cuda", sampler="ddim", eta=0.25, **told),
            dict(guidance_start=0.25, guidance_end=0.75, vae_rows=4, sampler="dpmpp_2m", schedule="karras", **told),
            dict(style="vivid", steps=2, seed=2**64 - 1),
            {},
        ):
            image = self.model.generate(PROMPT, **given)
            image.save(self.path("p.png"))
            self.assertEqual(self.redrawn("p.png").tobytes(), image.tobytes(), given)
            self.assertEqual(self.daub.picture_text(self.path("again.png")), image.parameters)

    def test_python_redraws_the_commands_picture(self):
        for options in (
            ["--negative", "blue", "--steps", "3", "--guidance", "3.5", "--seed", "9", "--sampler", "ddim", "--eta", "1"],
            ["--style", "vivid", "--steps", "2", "--seed", "0", "--emphasis", "off", "--size", "64x96"],
            ["--steps", "2", "--guidance-interval", "0.25:0.75", "--guidance-rescale", "0.5", "--rng", "cuda"],
        ):
            self.command("generate", PROMPT, *options, "-q", "-o", "c.png")
            path = self.path("c.png")
            with open(path, "rb") as file:
                again = self.daub.read_parameters(file.read())
            self.assertEqual(again, self.daub.read_parameters(path))
            self.assertEqual(again, self.daub.parse_parameters(self.daub.picture_text(path)))
            with self.assertNoLogs("daub"):
                image = self.model.generate(again=again)
            self.assertEqual(image.tobytes(), self.daub.read_image(path).tobytes(), options)
            self.assertEqual(image.parameters, self.daub.picture_text(path))
            self.assertEqual(again.text(), image.parameters)
            other = self.model.generate(again=dataclasses.replace(again, seed=77))
            self.assertEqual((other.seed, self.model.generate(again=again, seed=77).tobytes()), (77, other.tobytes()))

    def test_precision_model_and_vae(self):
        vae = os.path.join(harness.SOURCE, "models", "default", "vae")
        with self.daub.Model(device=self.device, precision="f32", vae=vae) as model:
            image = model.generate("a dog", steps=2, seed=4)
            again = self.daub.parse_parameters(image.parameters)
            self.assertEqual((again.precision, len(again.vae_hash), len(again.model_hash)), ("f32", 10, 10))
            self.assertEqual(self.daub.inspect(again.find_model()).path, model.info.path)
            self.assertTrue(os.path.exists(again.find_vae()))  # this one, or another of its hash
            with self.assertNoLogs("daub"):
                self.assertEqual(model.generate(again=again).tobytes(), image.tobytes())
            image.save(self.path("p.png"))
            self.assertEqual(self.redrawn("p.png").tobytes(), image.tobytes())
        with self.assertLogs("daub") as log:
            self.model.generate(again=dataclasses.replace(again, model_hash="0123456789", left_out="Lora x"))
        for said, words in zip(log.output, ("Lora x", "precision", "0123456789", "VAE")):
            self.assertIn(words, said)

    def test_pictures_in(self):
        self.model.generate("a dog", steps=1, seed=1).save(self.path("init.png"))
        self.daub.Image(64, 64, 1, bytes(2048) + b"\xff" * 2048).save(self.path("mask.png"))
        files = {"init": self.path("init.png"), "mask": self.path("mask.png")}
        image = self.model.generate("a cat", steps=4, strength=0.6, seed=5, **files)
        image.save(self.path("p.png"))
        self.assertEqual(self.redrawn("p.png").tobytes(), image.tobytes())
        again = self.daub.read_parameters(self.path("p.png"))
        self.assertEqual((again.init, again.mask, again.strength), ("init.png", "mask.png", 0.6))
        self.assertEqual(self.model.generate(again=again, **files).tobytes(), image.tobytes())
        with self.assertRaisesRegex(self.daub.InvalidArgument, "init.png, which must be given"):
            self.model.generate(again=again)

    def test_what_no_text_can_say_is_said_to_be_missing(self):
        init = self.model.generate("a dog", steps=2, seed=1)
        painted = self.model.generate("a cat", steps=2, init=init, mask=memoryview(b"\xff" * 4096).cast("B", (64, 64)))
        again = self.daub.parse_parameters(painted.parameters)
        self.assertEqual((again.init, again.mask, again.init_hash), ("array", "array", None))
        with self.assertRaisesRegex(self.daub.InvalidArgument, "mask array, which must be given"):
            self.model.generate(again=again, init=init)

        def change(step):
            step.view[0, 0, 0] = 1.0

        noise = memoryview(b"\0\0\0\x3f" * 1024).cast("f", (16, 8, 8))
        for given, missing in (
            ({"latents": noise}, "Start latents array"),
            ({"on_step": change}, "Latents changed"),
            ({"on_step": lambda step: step.view and None}, None),
        ):
            image = self.model.generate("a cat", steps=2, **given)
            self.assertEqual(self.daub.parse_parameters(image.parameters).left_out, missing)

    def test_a_pictures_text(self):
        image = self.model.generate("a dog", negative="Steps: 1, a: b, c: d", steps=2)
        for same in (copy.deepcopy(image), pickle.loads(pickle.dumps(image))):
            self.assertEqual(same.parameters, image.parameters)
        self.assertEqual(self.daub.parse_parameters(image.parameters).negative_prompt, "Steps: 1, a: b, c: d")
        image.save(self.path("no.png"), parameters=False)
        with self.assertRaises(self.daub.BadFile):
            self.daub.read_parameters(self.path("no.png"))
        image.parameters = "mine"
        image.save(self.path("mine.png"))
        self.assertEqual(self.daub.picture_text(self.path("mine.png")), "mine")
        self.assertIsNone(self.daub.read_image(self.path("mine.png")).parameters)
        webui = "a dog\nSteps: 20, Sampler: Euler a, Seed: 3, Size: 64x64, Hires upscale: 2"
        theirs = self.daub.parse_parameters(webui)
        self.assertEqual((theirs.sampler, theirs.seed, theirs.left_out), ("euler_a", 3, "Hires upscale 2"))

    def test_wrong_parameters(self):
        kind = self.daub.Parameters
        for wrong, words in (
            (kind(prompt="a dog", width=2**32), "width is 4294967296"),
            (kind(prompt="a dog", seed=-1), "seed is -1"),
            (kind(prompt="a dog", rng="dice"), "rng is 'dice'"),
            (kind(prompt="a\0dog"), "zero byte"),
        ):
            with self.assertRaisesRegex(self.daub.InvalidArgument, words):
                self.model.generate(again=wrong)
        with self.assertRaisesRegex(self.daub.InvalidArgument, "three things"):
            kind(prompt="a dog", n_steps=1).text()
        with self.assertRaisesRegex(self.daub.InvalidArgument, "style"):
            self.model.generate(again=kind(prompt="a dog"), style="vivid")
        with self.assertRaises(TypeError):
            self.model.generate(again="fox.png")
        with self.assertRaises(self.daub.FileError):
            self.daub.read_parameters(self.path("none.png"))
        self.assertIsNone(kind(model_hash="0123456789").find_model())

    def test_a_jpegs_text(self):
        try:
            import PIL  # noqa: F401
        except ImportError:
            self.skipTest("Pillow is not installed")
        image = self.model.generate(PROMPT, steps=2, seed=3)
        image.save(self.path("p.jpg"))
        self.assertEqual(self.daub.picture_text(self.path("p.jpg")), image.parameters)
        self.assertEqual(self.redrawn("p.jpg", "--format", "png").tobytes(), image.tobytes())

    def test_exif_is_the_commands(self):
        from daub._image import exif

        self.command("generate", PROMPT, "--steps", "1", "-q", "-o", "c.jpg")
        with open(self.path("c.jpg"), "rb") as file:
            data = file.read()
        self.assertIn(exif(self.daub.picture_text(self.path("c.jpg"))), data)
        self.assertEqual(exif("a" * 40000), b"")


if __name__ == "__main__":
    unittest.main()
