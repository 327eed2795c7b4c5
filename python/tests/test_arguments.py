"""python: what every argument of start(), Device(), Model() and inspect() becomes of the library's structs, and no more.

An argument that no case names fails the test.
"""

import ctypes
import inspect
import unittest
from unittest import mock

import harness
import numpy

FLOATS = numpy.arange(2 * 128, dtype="float32").reshape(2, 128)
NOISE = numpy.arange(16 * 8 * 8, dtype="float32").reshape(16, 8, 8)

# The argument, a value, and what the struct then has beside its defaults.
PICTURE = [
    ("prompt", "a", {"prompt": b"a"}),
    ("negative", "b", {"negative_prompt": b"b"}),
    ("emphasis", "webui", {"emphasis": 1}),
    ("emphasis", "off", {"emphasis": 2}),
    ("padding", "empty", {"padding": 2}),
    ("padding", "last", {"padding": 3}),
    ("width", 72, {"width": 72}),
    ("height", 80, {"height": 80}),
    ("steps", 3, {"n_steps": 3}),
    ("guidance", 2.5, {"guidance_scale": 2.5}),
    ("guidance_rescale", 0.5, {"guidance_rescale": 0.5}),
    ("guidance_start", 0.25, {"guidance_start": 0.25}),
    ("guidance_end", 0.75, {"guidance_end": 0.75}),
    ("seed", 2**64 - 1, {"seed": 2**64 - 1}),
    ("rng", "torch-cpu", {"rng": 1}),
    ("rng", "cuda", {"rng": 2}),
    ("sampler", "heun", {"sampler": b"heun"}),
    ("schedule", "lu", {"schedule": b"lu"}),
    ("eta", 0.5, {"eta": 0.5}),
    ("clip_skip", 2, {"clip_skip": 2}),
    ("init", numpy.full((2, 3, 4), 7, "uint8"), {"init": (3, 2, 4, 7)}),
    ("init", numpy.full((2, 3), 7, "uint8"), {"init": (3, 2, 1, 7)}),
    ("strength", 0.25, {"strength": 0.25}),
    ("mask", numpy.full((2, 3), 9, "uint8"), {"mask": (3, 2, 1, 9)}),
    ("prompt_embeds", "e.st", {"prompt_embeds_path": b"e.st"}),
    ("prompt_embeds", FLOATS, {"prompt_embeds": [0, 1], "n_embed_tokens": 2}),
    ("negative_embeds", FLOATS[:, ::-1], {"negative_prompt_embeds": [127, 126], "n_negative_embed_tokens": 2}),
    ("latents", NOISE + 5, {"latents": [5, 6]}),
    ("keep_floats", True, {"keep_floats": True}),
    ("memory", "resident", {"memory": 1}),
    ("memory", "small", {"memory": 2}),
    ("memory", "stream", {"memory": 3}),
    ("vae_rows", 5, {"vae_rows": 5}),
    ("preview", "linear", {"preview": 1}),
    ("preview", "vae", {"preview": 2}),
    ("preview_every", 4, {"preview_every": 4}),
    ("keep_state_every", 6, {"keep_state_every": 6}),
    ("resume", b"state", {"resume_state": b"state", "resume_size": 5}),
    ("style", "strict", {"guidance_scale": 5.8, "guidance_rescale": 0.3, "guidance_end": 1.0, "n_steps": 25}),
]
# What test_jobs.py and test_parameters.py are about.
ELSEWHERE = {"on_progress", "on_preview", "on_step", "log", "again"}

DEVICE = [
    ("device", 1, {"device": b"1"}),
    ("device", "pen", {"device": b"pen"}),
    ("max_memory", 10**10, {"max_memory": 10**10}),
    ("cache_dir", "c", {"cache_dir": b"c"}),
    ("cache_dir", "", {"cache_dir": b""}),
    ("debug", "nofuse", {"debug": b"nofuse"}),
    ("caps", "-lane", {"caps": b"-lane"}),
    ("log", lambda level, message: None, {"log_level": 3}),
]
MODEL = [
    ("precision", "f16", {"precision": 1}),
    ("precision", "f32", {"precision": 2}),
    ("data", b"bytes", {"source": (b"bytes", 5)}),
    ("data", bytearray(b"bytes"), {"source": (b"bytes", 5)}),
    ("data", memoryview(b"bytes"), {"source": (b"bytes", 5)}),
    ("vae", "v", {"vae": b"v"}),
    ("config_from", "c", {"config_from": b"c"}),
    ("weight_cache", "w", {"weight_cache": b"w"}),
    ("weight_cache_limit", 10**10, {"weight_cache_limit": 10**10}),
]


def plain(name, value, struct):
    """A field as Python's own, so that it can be compared."""
    if isinstance(value, ctypes._Pointer):
        if not value:
            return None
        if name in ("init", "mask"):
            image = value.contents
            return image.width, image.height, image.channels, image.pixels[0]
        if name == "source":
            return ctypes.string_at(value.contents.data, value.contents.size), value.contents.size
        return value[:2]
    if isinstance(value, ctypes._CFuncPtr):
        return bool(value)
    if name == "resume_state" and value:
        return ctypes.string_at(value, struct.resume_size)
    if isinstance(value, float):
        return round(value, 6)
    return value


def fields(struct):
    names = [name for name, *_ in struct._fields_ if name not in ("log", "allocator")]
    return {name: plain(name, getattr(struct, name), struct) for name in names}


class Arguments(harness.Case):
    def differ(self, got, default, wanted, what):
        self.assertEqual({name: value for name, value in got.items() if value != default[name]}, wanted, what)

    def all_named(self, function, cases, *elsewhere):
        names = set(inspect.signature(function).parameters) - {"self"}
        self.assertEqual(names, {name for name, *_ in cases} | set(elsewhere))

    def test_pictures(self):
        from daub import _model

        def params(**given):
            struct, lent = self.model._params(dict(_model._defaults(self.daub.Model.start), **given))
            return fields(struct) if lent is not None else None

        default = params()
        self.assertEqual({name for name, value in default.items() if value}, {"struct_size"})
        for name, value, wanted in PICTURE:
            self.differ(params(**{name: value}), default, wanted, name)
        self.all_named(self.daub.Model.start, PICTURE, *ELSEWHERE)
        self.all_named(self.daub.Model.generate, PICTURE, *ELSEWHERE)
        wanted = {"latents": [0, 1], "width": 56, "height": 40}
        self.differ(params(latents=NOISE[:, :5, :7], width=56, height=40), default, wanted, "size")
        for given, words in (
            ({"latents": NOISE, "width": 72}, "72x64 wants \\[16, 8, 9\\]"),
            ({"prompt_embeds": FLOATS[:, :5]}, "5 values a token; this model has 128"),
            ({"prompt_embeds": "e.st", "negative_embeds": FLOATS}, "a file holds both"),
            ({"style": "vivid", "again": self.daub.Parameters()}, "one of them"),
            ({"rng": "dice"}, "rng is 'dice'; it can be default, torch-cpu, cuda"),
            ({"emphasis": "on"}, "emphasis is 'on'"),
            ({"preview": "eye"}, "preview is 'eye'"),
        ):
            with self.assertRaisesRegex(self.daub.InvalidArgument, words):
                params(**given)
        with self.assertRaisesRegex(self.daub.InvalidArgument, "True or False"):
            self.model.start("a", keep_floats=2)
        for name in ("width", "height", "steps", "seed", "clip_skip", "vae_rows", "preview_every", "keep_state_every"):
            for value in (-1, 2**64 if name == "seed" else 2**32):
                with self.assertRaisesRegex(self.daub.InvalidArgument, "%s is %d; it can be 0 to" % (name, value)):
                    params(**{name: value})

    def asked(self, name, call):
        """The struct that a function of the library gets first by reference, and its other arguments."""
        from daub import _library

        seen = []

        def record(*arguments):
            structs = [a._obj for a in arguments if hasattr(a, "_obj") and hasattr(a._obj, "struct_size")]
            seen.append((fields(structs[0]), [a for a in arguments if isinstance(a, bytes)]))
            return -8

        with mock.patch.object(_library.lib, name, record), self.assertRaises(self.daub.Unsupported):
            call()
        return seen[0]

    def test_devices(self):
        def params(**given):
            return self.asked("daub_device_create", lambda: self.daub.Device(**given))[0]

        for name, value, wanted in DEVICE:
            self.differ(params(**{name: value}), params(), wanted, name)
        self.all_named(self.daub.Device.__init__, DEVICE)

    def test_models(self):
        def params(*path, **given):
            return self.asked("daub_model_load", lambda: self.daub.Model(*path, device=self.device, **given))

        for name, value, wanted in MODEL:
            self.differ(params(**{name: value})[0], params()[0], wanted, name)
        self.assertEqual(params("m")[1], [b"m"])
        self.all_named(self.daub.Model.__init__, MODEL, "path", "device", "memory")
        asked = self.asked("daub_model_inspect", lambda: self.daub.inspect("m", config_from="c"))
        self.assertEqual((asked[0]["config_from"], asked[1]), (b"c", [b"m"]))
        with self.daub.Model(device=self.device, memory="small") as model:  # of pictures that are not told otherwise
            self.assertEqual(model.estimate("a").mode, "small")
            self.assertEqual(model.estimate("a", memory="resident").mode, "resident")

    def test_texts_and_latents(self):
        pair = lambda: self.model.encode_pair("a", "b", emphasis="off", clip_skip=2)
        asked = self.asked("daub_encode_text_floats", pair)[0]
        wanted = {"prompt": b"a", "negative_prompt": b"b", "emphasis": 2, "clip_skip": 2}
        self.assertEqual({name: value for name, value in asked.items() if value and name != "struct_size"}, wanted)
        picture = lambda: self.model.decode(NOISE[:, :5, :7], memory="small", vae_rows=3)
        asked = self.asked("daub_decode_latents", picture)[0]
        wanted = {"width": 56, "height": 40, "memory": 2, "vae_rows": 3}
        self.assertEqual({name: value for name, value in asked.items() if value and name != "struct_size"}, wanted)


if __name__ == "__main__":
    unittest.main()
