"""python: numpy arrays in and out; the pictures are the command's."""

import os
import subprocess
import unittest

import harness
import numpy


class Pictures(harness.Case):
    def command(self, *arguments):
        if not harness.COMMAND:
            self.skipTest("DAUB_COMMAND names no daub command")
        path = self.path("command.png")
        subprocess.run([harness.COMMAND, "generate", *arguments, "--quiet", "-o", path], check=True)
        return path

    def test_same_bytes_as_the_command(self):
        path = self.command(
            "a red apple",
            "--negative",
            "blue",
            "--steps",
            "3",
            "--guidance",
            "5",
            "--seed",
            "9",
            "--sampler",
            "dpmpp_2m",
            "--schedule",
            "karras",
            "--clip-skip",
            "2",
            "--guidance-rescale",
            "0.5",
        )
        image = self.model.generate(
            "a red apple",
            negative="blue",
            steps=3,
            guidance=5,
            seed=9,
            sampler="dpmpp_2m",
            schedule="karras",
            clip_skip=2,
            guidance_rescale=0.5,
        )
        theirs = self.daub.read_image(path)
        self.assertEqual((theirs.width, theirs.height, theirs.channels), (64, 64, 3))
        self.assertEqual(theirs.tobytes(), image.tobytes())
        self.assertEqual(
            (image.seed, image.result.sampler, image.result.schedule, image.result.n_steps),
            (9, "dpmpp_2m", "karras", 3),
        )

    def test_emphasis_is_the_commands(self):
        prompt, pictures = "a (red:1.5) [apple]", {}
        for emphasis in ("webui", "off"):
            path = self.command(prompt, "--steps", "2", "--seed", "1", "--emphasis", emphasis)
            image = self.model.generate(prompt, steps=2, seed=1, emphasis=emphasis)
            self.assertEqual(self.daub.read_image(path).tobytes(), image.tobytes())
            self.assertEqual((image.result.emphasis, image.result.n_chunks), (emphasis, 1))
            embeds = self.model.encode_pair(prompt, emphasis=emphasis)
            pictures[emphasis] = self.model.generate(
                prompt_embeds=embeds[0], negative_embeds=embeds[1], steps=2, seed=1
            ).tobytes()
            self.assertEqual(pictures[emphasis], image.tobytes())
        self.assertNotEqual(pictures["webui"], pictures["off"])

    def test_styles_guidance_intervals_and_vaes_are_the_commands(self):
        names = [style.name for style in self.daub.styles()]
        self.assertEqual(names[:2], ["strict", "vivid"])
        vae = os.path.join(harness.SOURCE, "models", "default", "vae")
        for options, given in (
            (["--style", "vivid"], {"style": "vivid"}),
            (["--steps", "4", "--guidance-interval", "0.25:0.75"], {"steps": 4, "guidance_start": 0.25, "guidance_end": 0.75}),
        ):
            path = self.command("a dog", "--seed", "2", *options)
            self.assertEqual(self.daub.read_image(path).tobytes(), self.model.generate("a dog", seed=2, **given).tobytes())
        with self.assertRaisesRegex(self.daub.InvalidArgument, "vivid"):
            self.model.generate("a dog", style="vivd")
        with self.daub.Model(device=self.device, vae=vae) as model:
            self.assertEqual(model.info.vae, vae)
            own = self.model.generate("a dog", steps=1)
            self.assertEqual(model.generate("a dog", steps=1).tobytes(), own.tobytes())

    def test_init_and_mask_are_the_commands(self):
        first = self.model.generate("a red apple", steps=2, seed=1)
        first.save(self.path("init.png"))
        mask = numpy.zeros((64, 64), "uint8")
        mask[16:48, 16:48] = 255
        self.daub.Image(64, 64, 1, mask.tobytes()).save(self.path("mask.png"))
        path = self.command(
            "a blue heart",
            "--steps",
            "4",
            "--init",
            self.path("init.png"),
            "--mask",
            self.path("mask.png"),
            "--strength",
            "0.6",
            "--seed",
            "5",
        )
        images = [
            self.model.generate("a blue heart", steps=4, init=init, mask=m, strength=0.6, seed=5)
            for init, m in (
                (first, mask),
                (first.array, mask[:, :, None]),
                (self.path("init.png"), self.path("mask.png")),
                (numpy.asarray(first)[::-1][::-1], mask.T),
            )
        ]
        for image in images:
            self.assertEqual(image.tobytes(), self.daub.read_image(path).tobytes())
        self.assertTrue((images[0].array[mask == 0] == first.array[mask == 0]).all())
        self.assertFalse((images[0].array == first.array).all())
        self.assertTrue(images[0].result.masked)

    def test_arrays_are_views(self):
        image = self.daub.Image(2, 3, 3, bytes(range(18)))
        self.assertEqual((image.array.shape, image.array.dtype), ((3, 2, 3), numpy.dtype("uint8")))
        image.array[2, 1, 2] = 255
        self.assertEqual((image.view[2, 1, 2], image.tobytes()[17]), (255, 255))
        self.assertIs(numpy.asarray(image).base is None, False)
        self.assertEqual(numpy.asarray(image, "float32").dtype, numpy.dtype("float32"))

    def test_floats_and_latents(self):
        image = self.model.generate("a red apple", steps=2, keep_floats=True)
        info = self.model.info
        self.assertEqual(image.latents.shape, (info.latent_channels, 8, 8))
        self.assertEqual((image.floats.shape, image.floats.dtype), ((3, 64, 64), numpy.dtype("float32")))
        bytes_of = numpy.clip(numpy.floor(127.5 * image.floats.astype("float64") + 128.0), 0, 255).transpose(1, 2, 0)
        self.assertLessEqual(abs(bytes_of - image.array).max(), 1)
        with self.assertRaises(AttributeError):
            self.model.generate("a red apple", steps=1).floats
        with self.assertRaises(AttributeError):
            self.daub.Image(1, 1, 1, b"x").seed

    def test_latents_are_decoded(self):
        image = self.model.generate("a dog", steps=2)
        self.assertEqual(self.model.decode(image.latents).tobytes(), image.tobytes())
        with self.assertRaisesRegex(self.daub.InvalidArgument, "channels"):
            self.model.decode(image.latents[:3])

    def test_latents_in(self):
        plain = self.model.generate("a dog", steps=2, seed=4)
        noise = numpy.random.default_rng(1).standard_normal((16, 8, 8))  # float64 is converted
        first = self.model.generate("a dog", steps=2, seed=4, latents=noise)
        again = self.model.generate("a dog", steps=2, seed=4, latents=memoryview(noise.astype("float32")))
        self.assertEqual(first.tobytes(), again.tobytes())
        self.assertNotEqual(first.tobytes(), plain.tobytes())
        with self.assertRaisesRegex(self.daub.InvalidArgument, r"\[16, 8, 4\].*\[16, 8, 8\]"):
            self.model.generate("a dog", latents=noise[:, :, :4])

    def test_embeddings(self):
        plain = self.model.generate("a dog", negative="a cat", steps=2)
        prompt, negative = self.model.encode_pair("a dog", "a cat")
        self.assertEqual((prompt.shape[1], prompt.dtype), (self.model.info.text_width, numpy.dtype("float32")))
        same = self.model.generate(prompt_embeds=prompt, negative_embeds=negative, steps=2)
        self.assertEqual(same.tobytes(), plain.tobytes())
        self.assertTrue((self.model.encode("a dog") == prompt).all())
        with self.assertRaisesRegex(self.daub.InvalidArgument, "values a token"):
            self.model.generate(prompt_embeds=prompt[:, :3], negative_embeds=negative)
        words = {"prompt": "a dog BREAK in snow", "negative": "a cat", "steps": 2}  # of two chunks and of one
        plain, padded = self.model.generate(**words), self.model.generate(**words, padding="empty")
        self.assertEqual((plain.result.n_chunks, plain.result.n_negative_chunks, plain.result.padding), (2, 1, "off"))
        self.assertEqual((padded.result.n_negative_chunks, padded.result.padding), (2, "empty"))
        self.assertNotEqual(plain.tobytes(), padded.tobytes())
        for image, padding in ((plain, "off"), (padded, "empty")):
            prompt, negative = self.model.encode_pair(words["prompt"], words["negative"], padding=padding)
            self.assertEqual(len(prompt) == len(negative), padding == "empty")
            same = self.model.generate(prompt_embeds=prompt, negative_embeds=negative, steps=2)
            self.assertEqual(same.tobytes(), image.tobytes())

    def test_files(self):
        image = self.model.generate("a dog", steps=1)
        for name in ("a.png", "a.ppm"):
            image.save(self.path(name))
            self.assertEqual(self.daub.read_image(self.path(name)).tobytes(), image.tobytes())
        with open(self.path("a.png"), "rb") as file:
            data = file.read()
        self.assertEqual(self.daub.read_image(data).tobytes(), image.tobytes())
        for channels in (1, 2, 4):
            odd = self.daub.Image(3, 2, channels, bytes(range(6 * channels)))
            odd.save(self.path("odd.png"))
            self.assertEqual(self.daub.read_image(self.path("odd.png")).tobytes(), odd.tobytes())
        with self.assertRaises(self.daub.InvalidArgument):
            image.save(self.path("a.xyz"))
        with self.assertRaises(OSError):
            image.save(self.path("none/a.png"))
        self.assertEqual(sorted(os.listdir(self.folder)), ["a.png", "a.ppm", "odd.png"])

    def test_text_in_a_png(self):
        for text, kind in (
            ("Grün\nSteps: 3", b"tEXtparameters\0Gr\xfcn"),
            ("\u03b1", b"iTXtparameters\0\0\0\0\0\xce\xb1"),
        ):
            self.daub.Image(1, 1, 3, b"abc", parameters=text).save(self.path("t.png"))
            with open(self.path("t.png"), "rb") as file:
                self.assertIn(kind, file.read())

    def test_estimate_samplers_limits(self):
        estimate = self.model.estimate(width=128, height=64, memory="small")
        self.assertEqual((estimate.width, estimate.height, estimate.mode), (128, 64, "small"))
        self.assertEqual(
            estimate.peak, max(p.total for p in (estimate.text, estimate.encode, estimate.denoise, estimate.decode))
        )
        self.assertGreater(self.model.estimate(preview="vae").peak, self.model.estimate().denoise.total)
        names = [sampler.name for sampler in self.daub.samplers()]
        self.assertIn("dpmpp_2m", names)
        self.assertIn("karras", [schedule.name for schedule in self.daub.schedules()])
        self.assertEqual(self.daub.limits().max_size, 16384)
        self.assertTrue(any(device.chosen for device in self.daub.devices()))
        self.assertEqual(self.daub.inspect().family, self.model.info.family)

    def test_forward_process(self):
        x0 = numpy.ones((3, 5), "float32")
        xt = self.daub.add_noise(x0, 500, seed=3, schedule="cosine")
        abar = self.daub.alpha_bar(500, "cosine")
        noise = (xt - abar**0.5) / (1 - abar) ** 0.5
        self.assertEqual(xt.shape, (3, 5))
        self.assertLess(abs(noise).max(), 5)
        self.assertTrue((self.daub.add_noise(x0, -1) == x0).all())

    def test_a_model_in_memory_and_modes(self):
        with self.daub.Model(device=self.device, precision="f32", memory="small") as model:
            self.assertEqual(model.estimate().mode, "small")
            self.assertEqual(model.generate("a dog", steps=1).array.shape, (64, 64, 3))
        for kind in (bytes, bytearray, memoryview):
            with self.assertRaises(self.daub.BadFile):
                self.daub.Model(device=self.device, data=kind(b"no safetensors at all"))


class WithoutNumpy(unittest.TestCase):
    def test_pictures_need_no_numpy(self):
        status, out, err = harness.run("""
            import sys
            sys.modules["numpy"] = None
            import daub
            from array import array
            with daub.Model() as model:
                noise = memoryview(array("f", [0.5] * 1024)).cast("B").cast("f", (16, 8, 8))
                image = model.generate("a dog", steps=1, latents=noise)
                model.generate("a dog", steps=1, init=image, mask=memoryview(bytes(4096)).cast("B", (64, 64)))
                print(image.view.shape, len(image.tobytes()))
                try:
                    image.array
                except ImportError as error:
                    print(error)
        """)
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out.splitlines()[0], "(64, 64, 3) 12288")
        self.assertIn("need numpy", out)


if __name__ == "__main__":
    unittest.main()
